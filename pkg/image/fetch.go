package image

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// maxPause is the longest wait between two attempts; a registry that asks for more has refused.
const maxPause = time.Minute

// request is one question to a registry.
type request struct {
	what   string // what it asks for, for errors: manifest 1.19, layer sha256:…
	method string
	path   string // beneath the repository: manifests/1.19
	header http.Header
	digest string          // what the answer must match; empty for a tag
	avoid  []*endpointHost // not asked where another can be
}

// document asks for a small document and reads it whole; one of more than limit bytes is not an image's.
func (p *Puller) document(ctx context.Context, t target, req *request, limit int64) (content []byte, header http.Header, err error) {
	err = p.eachHost(ctx, t, req, func(t target, attempts int) error {
		content, header, err = p.documentAt(ctx, t, attempts, req, limit)
		return err
	})
	return content, header, err
}

func (p *Puller) documentAt(ctx context.Context, t target, attempts int, req *request, limit int64) (content []byte, header http.Header, err error) {
	err = p.retry(ctx, t, attempts, req.what, func() error {
		resp, failure := p.ask(ctx, t, req)
		if failure != nil {
			return failure
		}
		defer func() { _ = resp.Body.Close() }()
		header = resp.Header
		content, failure = io.ReadAll(io.LimitReader(resp.Body, limit+1))
		return failure
	})
	if err == nil && int64(len(content)) > limit {
		return nil, nil, t.fault(KindNotAnImage, "%s has more than %d bytes", req.what, limit)
	}
	if err == nil && req.digest != "" && digestOf(content) != req.digest {
		return nil, nil, t.fault(KindCorrupt, "registry %s sends other content than that of %s", t.host(), req.what)
	}
	return content, header, err
}

// retry calls try until it succeeds or there is a lasting fault or an end of attempts or time.
func (p *Puller) retry(ctx context.Context, t target, attempts int, what string, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil {
			return nil
		}
		fault := describe(ctx, t, what, err)
		if !fault.Temporary() || attempt >= attempts || ctx.Err() != nil || !p.pause(ctx, t, fault, attempt) {
			return fault
		}
	}
}

// pause waits before the next attempt; false: there is no time for it.
func (p *Puller) pause(ctx context.Context, t target, fault *Error, attempt int) bool {
	wait := p.opts.Backoff << (attempt - 1)
	wait += rand.N(wait/4 + 1) //nolint:gosec // G404: jitter
	wait = max(wait, fault.RetryAfter)
	if deadline, ok := ctx.Deadline(); wait > maxPause || ok && time.Until(deadline) < wait {
		return false
	}
	if t.note != nil {
		t.note(fault)
	}
	p.opts.Log.WithError(fault).WithField("wait", wait).Debug("asking the registry again")
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// askOnce makes one request with one of the target's credentials. A login that has become invalid is made anew once.
func (p *Puller) askOnce(ctx context.Context, t target, req *request) (*http.Response, error) {
	ctx = withRegistry(ctx, t.host())
	s, fresh, err := p.session(ctx, t)
	if err != nil {
		return nil, err
	}
	resp, err := send(ctx, s, t, req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized {
		p.sessions.drop(t.login())
		if !fresh {
			_ = resp.Body.Close()
			return p.askOnce(ctx, t, req)
		}
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, transport.CheckError(resp, http.StatusOK)
}

func send(ctx context.Context, s *session, t target, req *request) (*http.Response, error) {
	address := fmt.Sprintf("%s://%s/v2/%s/%s", t.at().Scheme(), t.host(), t.at().RepositoryStr(), req.path)
	out, err := http.NewRequestWithContext(ctx, req.method, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	if req.header != nil {
		out.Header = req.header.Clone()
	}
	return s.client.Do(out)
}
