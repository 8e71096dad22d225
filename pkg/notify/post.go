package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	maxAnswer     = 4 << 10        // bytes of an answer that are read
	maxRetryAfter = 12 * time.Hour // that is honoured
)

// poster sends JSON over HTTP.
type poster struct {
	network Network
	caFiles []string
	agent   string
	timeout time.Duration // of one attempt
}

// post sends a body once and gives what the server said. It follows no redirect: that would carry what is told to somebody else.
// Neither its result nor its error has the secrets.
func (p *poster) post(ctx context.Context, to *url.URL, body []byte, header http.Header, secrets []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	transport, err := p.network.Transport(p.caFiles)
	if err != nil {
		return "", fault(err, secrets...)
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return "", &SendError{Text: "the request cannot be made", Permanent: true} // its error has the URL
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", p.agent)
	response, err := client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s", p.timeout)
	}
	if err != nil {
		return "", fault(err, secrets...)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	said := response.Status
	if len(answer) > 0 {
		said += ": " + string(answer)
	}
	said = veil(said, secrets...)
	if response.StatusCode >= 200 && response.StatusCode <= 299 { // what it says beyond that does not matter, even where it is cut off
		return said, nil
	}
	if err != nil {
		said += " (the answer was cut off)"
	}
	return "", refused(response, said)
}

// refused words an answer that is no success. 4xx are tried again too, as most are a receiver's that is being set up; but not those
// that say that this very request is not wanted.
func refused(response *http.Response, said string) *SendError {
	failure := &SendError{Text: said}
	switch code := response.StatusCode; {
	case code >= 300 && code <= 399:
		failure.Text = "redirects are not followed: " + said
	case code == http.StatusBadRequest, code == http.StatusGone, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		failure.Permanent = true
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		failure.RetryAfter = retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	return failure
}

// retryAfter reads a Retry-After of seconds or of a date (RFC 9110, section 10.2.3); 0 where it is none.
func retryAfter(text string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
