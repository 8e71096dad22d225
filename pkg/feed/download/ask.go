package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// lasting is a fault that another attempt would meet again.
type lasting struct{ err error }

func (l *lasting) Error() string { return l.err.Error() }

func (*lasting) Lasting() bool { return true }

func (l *lasting) Unwrap() error { return l.err }

// refusing is an error of a transport that knows whether another attempt would end alike, such as that an address may not be asked.
type refusing interface {
	error
	Lasting() bool
}

// busyError is an answer that asks to wait, or a fault of the server's.
type busyError struct {
	status int
	after  time.Duration // 0: it did not say
}

func (b *busyError) Error() string { return fmt.Sprintf("%d %s", b.status, http.StatusText(b.status)) }

// notFound is a 404 or 410.
var errNotFound = errors.New("404 Not Found")

// bare gives a URL without user and password.
func bare(text string) (string, error) {
	to, err := url.Parse(text)
	if err != nil {
		return "", errors.New("it is no URL")
	}
	to.User = nil
	return to.String(), nil
}

// ask makes one request. The body of its answer must come at MinRate; release ends it. Answers that say no are errors.
func (f *fetcher) ask(ctx context.Context, address string, header http.Header) (resp *http.Response, release func(), err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		cancel(nil)
		return nil, nil, &lasting{errors.New("it is no URL")}
	}
	req.Header = header
	req.Header.Set("User-Agent", f.opts.UserAgent)
	req.Header.Set("Accept-Encoding", "identity") // the fingerprint is that of the bytes as stored
	late := time.AfterFunc(f.opts.HeaderTimeout, func() { cancel(fmt.Errorf("no answer within %s", f.opts.HeaderTimeout)) })
	resp, err = f.client.Do(req)
	late.Stop()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		if inURL, ok := errors.AsType[*url.Error](err); ok {
			err = inURL.Err // the rest is the URL again, maybe with a password
		}
		if no, ok := errors.AsType[refusing](err); ok && no.Lasting() {
			err = &lasting{err}
		}
		return nil, nil, err
	}
	if err := refusal(resp, f.opts.Now()); err != nil {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		_ = resp.Body.Close()
		cancel(nil)
		return nil, nil, err
	}
	resp.Body = f.paced(resp.Body, ctx, cancel)
	return resp, func() { _ = resp.Body.Close() }, nil
}

// refusal tells answers apart that bring nothing.
func refusal(resp *http.Response, now time.Time) error {
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests || code >= 500:
		return &busyError{status: code, after: retryAfter(resp.Header.Get("Retry-After"), now)}
	case code == http.StatusNotFound || code == http.StatusGone:
		return &lasting{errNotFound}
	case code == http.StatusRequestedRangeNotSatisfiable:
		return nil
	case code >= 400:
		return &lasting{errors.New(strconv.Itoa(code) + " " + http.StatusText(code))}
	}
	return nil
}

// retryAfter reads a Retry-After header, seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// pacedBody ends a body that delivers less than it must within a window.
type pacedBody struct {
	io.ReadCloser
	got    atomic.Int64
	ctx    func() error // its cause
	cancel context.CancelCauseFunc
	done   chan struct{}
}

func (f *fetcher) paced(inner io.ReadCloser, ctx context.Context, cancel context.CancelCauseFunc) *pacedBody { //nolint:revive // context-as-argument: the body comes first here
	b := &pacedBody{ReadCloser: inner, ctx: func() error { return context.Cause(ctx) }, cancel: cancel, done: make(chan struct{})}
	need := int64(float64(f.opts.MinRate) * f.opts.StallWindow.Seconds())
	go func() {
		ticker := time.NewTicker(f.opts.StallWindow)
		defer ticker.Stop()
		for {
			select {
			case <-b.done:
				return
			case <-ticker.C:
				if b.got.Swap(0) < need {
					cancel(fmt.Errorf("less than %d bytes a second for %s", f.opts.MinRate, f.opts.StallWindow))
					return
				}
			}
		}
	}()
	return b
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.got.Add(int64(n))
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := b.ctx(); cause != nil {
			err = cause
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *pacedBody) Close() error {
	close(b.done)
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// text reads a small document, with retries.
func (f *fetcher) text(ctx context.Context, address string, limit int64) ([]byte, error) {
	source, err := bare(address)
	if err != nil {
		return nil, err
	}
	var last error
	for attempt := range f.opts.Attempts {
		if last != nil {
			if err := f.wait(ctx, last, attempt); err != nil {
				return nil, fmt.Errorf("download %s: %w", source, errors.Join(last, err))
			}
		}
		body, err := f.textOnce(ctx, address, limit)
		if err == nil {
			return body, nil
		}
		var final *lasting
		if errors.As(err, &final) || ctx.Err() != nil {
			return nil, fmt.Errorf("download %s: %w", source, err)
		}
		last = err
	}
	return nil, fmt.Errorf("download %s: %w (%d times)", source, last, f.opts.Attempts)
}

func (f *fetcher) textOnce(ctx context.Context, address string, limit int64) ([]byte, error) {
	resp, release, err := f.ask(ctx, address, http.Header{}) //nolint:bodyclose // release closes it
	if err != nil {
		return nil, err
	}
	defer release()
	if resp.StatusCode != http.StatusOK {
		return nil, &lasting{fmt.Errorf("unexpected answer %s", resp.Status)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		return nil, &lasting{fmt.Errorf("it has more than %d bytes", limit)}
	}
	return body, err
}
