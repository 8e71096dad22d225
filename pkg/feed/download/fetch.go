package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// wanted is one file to have.
type wanted struct {
	stage    string // for the progress
	url      string
	path     string
	maxBytes int64
	check    func(ctx context.Context, path string) error // nil error: the file can be read; it may be nil
}

// fetcher gets files.
type fetcher struct {
	opts   *Options
	client *http.Client
}

func newFetcher(o *Options) *fetcher {
	return &fetcher{opts: o, client: &http.Client{Transport: o.Transport, CheckRedirect: checkRedirect}}
}

const maxRedirects = 5

// checkRedirect follows GitHub and EPSS to where their files are, but not from TLS to none. Which addresses may be asked at all is
// the transport's to say, which sees every request.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return &lasting{fmt.Errorf("redirected more than %d times", maxRedirects)}
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return &lasting{fmt.Errorf("redirected from https to %s://%s", req.URL.Scheme, req.URL.Host)}
	}
	req.Header.Del("Referer")
	return nil
}

// file makes sure that the file at w.path is the one at w.url. It tells whether it had to be replaced, and gives its fingerprint.
// Whatever fails, a file that was there stays.
func (f *fetcher) file(ctx context.Context, w *wanted) (known *fingerprint, changed bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, f.opts.Timeout, fmt.Errorf("it was not done in %s", f.opts.Timeout))
	defer cancel()
	source, err := bare(w.url)
	if err != nil {
		return nil, false, err
	}
	known = load(ctx, w.path, source)
	part, err := f.transfer(ctx, w, source, known)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, false, fmt.Errorf("download %s: %w", source, err)
	}
	if part == nil {
		known.At = f.opts.Now().UTC()
		if failure := known.save(w.path + ".json"); failure != nil {
			return nil, false, failure
		}
		return known, false, nil
	}
	if part.SHA256, part.Size, err = digest(ctx, w.path+".part"); err == nil && w.check != nil {
		err = w.check(ctx, w.path+".part")
	}
	if err != nil {
		return nil, false, errors.Join(fmt.Errorf("download %s: what came is refused: %w", source, err), dropPart(w.path))
	}
	part.At = f.opts.Now().UTC()
	if err = f.place(w.path, part); err != nil {
		return nil, false, fmt.Errorf("download %s: %w", source, err)
	}
	return part, true, nil
}

// place puts a complete download in place of the file, with its fingerprint.
func (*fetcher) place(path string, part *fingerprint) error {
	// A fingerprint of the file before would not match the new file, so that a crash between these two costs a download, no more.
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	return errors.Join(part.save(path+".json"), removeIfThere(path+".part.json"))
}

// transfer brings the missing bytes of w.path.part; nil where the file that is there is still the source's.
func (f *fetcher) transfer(ctx context.Context, w *wanted, source string, known *fingerprint) (*fingerprint, error) {
	var last error
	best := sizeOf(w.path + ".part")
	for fruitless := 0; fruitless < f.opts.Attempts; {
		if last != nil {
			if err := f.wait(ctx, last, fruitless); err != nil {
				return nil, errors.Join(last, err)
			}
		}
		part, err := f.attempt(ctx, w, source, known)
		if err == nil {
			return part, nil
		}
		var final *lasting
		if errors.As(err, &final) || ctx.Err() != nil {
			return nil, err
		}
		f.opts.Log.WithError(err).WithField("url", source).Debug("download: asking again")
		last = err
		if size := sizeOf(w.path + ".part"); size > best {
			best, fruitless = size, 0 // it goes on where it was cut; a server without ranges begins again and again
		}
		fruitless++
	}
	return nil, fmt.Errorf("%w (%d times without getting on)", last, f.opts.Attempts)
}

// wait pauses before the next attempt, as long as the server asks for.
func (f *fetcher) wait(ctx context.Context, last error, fruitless int) error {
	pause := f.opts.Backoff << max(0, fruitless-1)
	pause += rand.N(pause/4 + 1) //nolint:gosec // G404: jitter
	if busy, ok := errors.AsType[*busyError](last); ok {
		pause = max(pause, busy.after)
	}
	if pause > f.opts.MaxWait {
		return fmt.Errorf("it asks to wait for %s, longer than %s", pause.Round(time.Second), f.opts.MaxWait)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errorIf(ctx)
	}
}

// attempt makes one request, for the rest of a part or for the whole. It gives nil where the known file
// is still the source's.
func (f *fetcher) attempt(ctx context.Context, w *wanted, source string, known *fingerprint) (*fingerprint, error) {
	part := read(w.path+".part.json", source)
	have := sizeOf(w.path + ".part")
	if part == nil || part.strong() == "" || have == 0 {
		part, have = &fingerprint{URL: source}, 0
	}
	resp, release, err := f.ask(ctx, w.url, conditions(part, have, known)) //nolint:bodyclose // release closes it
	if err != nil {
		return nil, err
	}
	defer release()
	switch {
	case resp.StatusCode == http.StatusNotModified && known != nil && have == 0:
		return nil, nil
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		return nil, errors.Join(errors.New("the part that is there is not of this file"), dropPart(w.path))
	case resp.StatusCode == http.StatusPartialContent && have > 0:
		if err := part.continues(resp, have); err != nil {
			return nil, errors.Join(err, dropPart(w.path))
		}
	case resp.StatusCode == http.StatusOK:
		have = 0
		part.validators(resp.Header)
	default:
		return nil, &lasting{fmt.Errorf("unexpected answer %s", resp.Status)}
	}
	return part, f.write(w, part, have, resp)
}

// conditions ask for the rest of a part, or for the whole if it is another than the known one.
func conditions(part *fingerprint, have int64, known *fingerprint) http.Header {
	header := http.Header{}
	switch {
	case have > 0:
		header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		header.Set("If-Range", part.strong())
	case known != nil && known.ETag != "":
		header.Set("If-None-Match", known.ETag)
	case known != nil && known.LastModified != "":
		header.Set("If-Modified-Since", known.LastModified)
	}
	return header
}

// continues checks that an answer begins where the part ends and is of the same version.
func (f *fingerprint) continues(resp *http.Response, have int64) error {
	if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)) {
		return errors.New("it sent another range than was asked for")
	}
	if tag := resp.Header.Get("ETag"); tag != "" && f.ETag != "" && tag != f.ETag {
		return errors.New("it changed between two parts")
	}
	return nil
}

// write appends an answer's body to the part, or begins it anew.
func (f *fetcher) write(w *wanted, part *fingerprint, have int64, resp *http.Response) error {
	limit := w.maxBytes
	if limit <= 0 || limit > f.opts.MaxBytes {
		limit = f.opts.MaxBytes
	}
	total := int64(0)
	if resp.ContentLength >= 0 {
		total = have + resp.ContentLength
	}
	if total > limit {
		return &lasting{fmt.Errorf("it has %d bytes, at most %d are taken", total, limit)}
	}
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if have == 0 {
		flags |= os.O_TRUNC
		if err := errors.Join(removeIfThere(w.path+".part"), part.save(w.path+".part.json")); err != nil {
			return &lasting{err}
		}
	}
	out, err := os.OpenFile(filepath.Clean(w.path+".part"), flags, 0o600)
	if err != nil {
		return &lasting{err}
	}
	sink := &sink{w: out, tell: func(n int64) { f.opts.Progress(w.stage, have+n, total) }}
	n, err := io.Copy(sink, io.LimitReader(resp.Body, limit-have+1))
	if have+n > limit {
		err = &lasting{errors.Join(fmt.Errorf("it does not end after %d bytes, more than are taken", limit), dropPart(w.path))}
	}
	if sink.err != nil {
		err = &lasting{fmt.Errorf("write %s.part: %w", w.path, sink.err)} // a full disk is no fault of the server's
	}
	if closeErr := errors.Join(out.Sync(), out.Close()); closeErr != nil {
		return &lasting{errors.Join(err, closeErr)}
	}
	return err
}

// sink tells faults in writing from those in reading.
type sink struct {
	w    io.Writer
	n    int64
	err  error
	tell func(n int64)
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	s.err = err
	s.tell(s.n)
	return n, err
}

func sizeOf(path string) int64 {
	stat, err := os.Stat(path)
	if err != nil || !stat.Mode().IsRegular() {
		return 0
	}
	return stat.Size()
}

func dropPart(path string) error {
	return errors.Join(removeIfThere(path+".part"), removeIfThere(path+".part.json"))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
