package download_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/feed/download"
	"github.com/runecast/runecast/pkg/image"
)

// noise is a body that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// cutAfter sends the true header and n bytes, then cuts the connection.
func cutAfter(n int) fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		next.ServeHTTP(&cutting{ResponseWriter: w, left: n}, req)
	}
}

type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, _ := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; c.left <= 0 {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func answer(code int, header ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// get downloads /file of the origin.
func get(t *testing.T, o *origin, opts download.Options) ([]byte, error) { //nolint:gocritic // hugeParam: a test
	t.Helper()
	path, err := download.File(t.Context(), opts, o.URL+"/file", "file", func(string) error { return nil })
	if err != nil {
		return nil, err
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return body, nil
}

func TestFile(t *testing.T) {
	t.Parallel()
	body, other := noise(300_000), noise(200_000)
	for _, c := range []struct {
		name  string
		fault func(o *origin)
		want  []byte
		log   []string // of requests; nil: any
		err   string
	}{
		{name: "whole", want: body, log: []string{"/file 200"}},
		{
			name: "cut in the middle", fault: func(o *origin) { o.fail(1, cutAfter(100_000)) }, want: body,
			log: []string{"/file 200", "/file 206 bytes=100000-"},
		},
		{
			name: "cut often, more times than attempts", fault: func(o *origin) { o.fail(9, cutAfter(30_000)) }, want: body,
		},
		{
			name: "changed between the parts", want: other,
			fault: func(o *origin) {
				o.fail(1, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					defer o.put("/file", other)
					cutAfter(100_000)(w, req, next)
				})
			},
			log: []string{"/file 200", "/file 200 bytes=100000-"},
		},
		{
			name: "changed, and the server joins what does not belong together", want: other,
			fault: func(o *origin) {
				o.fail(1, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					defer o.put("/file", other)
					cutAfter(100_000)(w, req, next)
				})
				o.fail(1, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					req.Header.Del("If-Range")
					next.ServeHTTP(w, req)
				})
			},
			log: []string{"/file 200", "/file 206 bytes=100000-", "/file 200"},
		},
		{
			name: "without ranges", want: body,
			fault: func(o *origin) {
				plain := func(w http.ResponseWriter, req *http.Request, next http.Handler) {
					req.Header.Del("Range")
					next.ServeHTTP(w, req)
				}
				o.fail(1, cutAfter(100_000))
				o.fail(9, plain)
			},
		},
		{
			name: "asked too often", fault: func(o *origin) { o.fail(2, answer(429, "Retry-After", "0")) }, want: body,
			log: []string{"/file 429", "/file 429", "/file 200"},
		},
		{name: "asks to wait too long", fault: func(o *origin) { o.fail(1, answer(429, "Retry-After", "86400")) }, err: "asks to wait for 24h0m0s"},
		{name: "broken for a while", fault: func(o *origin) { o.fail(3, answer(500)) }, want: body},
		{name: "broken", fault: func(o *origin) { o.fail(-1, answer(502)) }, err: "502 Bad Gateway (5 times without getting on)"},
		{name: "not there", fault: func(o *origin) { o.remove("/file") }, err: "404 Not Found", log: []string{"/file 404"}},
		{name: "not for us", fault: func(o *origin) { o.fail(-1, answer(403)) }, err: "403 Forbidden", log: []string{"/file 403"}},
		{name: "says that it is too large", fault: func(o *origin) { o.put("/file", noise(1_000_001)) }, err: "it has 1000001 bytes, at most 1000000 are taken"},
		{
			name: "endless", err: "it does not end after 1000000 bytes",
			fault: func(o *origin) {
				o.fail(-1, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
					for block := make([]byte, 64<<10); ; {
						if _, err := w.Write(block); err != nil {
							return
						}
					}
				})
			},
		},
		{name: "from TLS to none", err: "redirected more than 5 times", fault: func(o *origin) { o.fail(-1, answer(302, "Location", "/file")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.put("/file", body)
			if c.fault != nil {
				c.fault(o)
			}
			opts := o.options(t)
			opts.MaxBytes = 1_000_000
			got, err := get(t, o, opts)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), "download "+o.URL+"/file: ") {
					t.Errorf("%v, want %q", err, c.err)
				}
			} else if err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%d bytes, want %d, %v", len(got), len(c.want), err)
			}
			if log := o.log(); c.log != nil && strings.Join(log, ", ") != strings.Join(c.log, ", ") {
				t.Errorf("requests %v, want %v", log, c.log)
			}
		})
	}
}

func TestFileIsAskedAboutAndKept(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	first, second := noise(50_000), noise(60_000)
	o.put("/file", first)
	opts := o.options(t)
	step := func(name string, want []byte, wantLog string, wantErr bool) {
		t.Helper()
		got, err := get(t, o, opts)
		log := o.log()
		if wantErr != (err != nil) || !wantErr && !bytes.Equal(got, want) || wantLog != "" && strings.Join(log, ", ") != wantLog {
			t.Errorf("%s: %d bytes, %v, requests %v, want %s", name, len(got), err, log, wantLog)
		}
	}
	step("first", first, "/file 200", false)
	step("unchanged", first, "/file 304", false)
	file := filepath.Join(opts.Dir, "file")
	if err := os.WriteFile(file, noise(50_000)[:40_000], 0o600); err != nil {
		t.Fatal(err)
	}
	step("damaged on disk", first, "/file 200", false)
	o.fail(-1, answer(500))
	step("down", nil, "", true)
	if kept, err := os.ReadFile(file); err != nil || !bytes.Equal(kept, first) {
		t.Errorf("the file is not the last good one: %v", err)
	}
	o.heal()
	o.put("/file", second)
	step("changed", second, "/file 200", false)
	opts.Attempts = 1
	o.put("/file", first)
	o.fail(1, cutAfter(20_000))
	step("cut, and the process ends", nil, "/file 200", true)
	step("goes on in the next run", first, "/file 206 bytes=20000-", false)
	_, err := download.File(t.Context(), opts, o.URL+"/file", "checked", func(string) error { return errors.New("it is rotten") })
	if err == nil || !strings.Contains(err.Error(), "what came is refused: it is rotten") {
		t.Errorf("got %v", err)
	}
	files, err := filepath.Glob(filepath.Join(opts.Dir, "*"))
	if err != nil || len(files) != 3 { // .lock, file, file.json
		t.Errorf("the directory has %v, %v", files, err)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.put("/file", noise(100_000))
	o.fail(-1, func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Content-Length", "100000")
		w.WriteHeader(http.StatusOK)
		for req.Context().Err() == nil {
			if _, err := w.Write([]byte{1}); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(5 * time.Millisecond):
			case <-req.Context().Done():
			}
		}
	})
	opts := o.options(t)
	opts.Attempts, opts.StallWindow, opts.MinRate = 2, 100*time.Millisecond, 100_000
	_, err := get(t, o, opts)
	if err == nil || !strings.Contains(err.Error(), "less than 100000 bytes a second for 100ms") {
		t.Errorf("slow: %v", err)
	}
	o.heal()
	o.fail(-1, func(_ http.ResponseWriter, req *http.Request, _ http.Handler) { <-req.Context().Done() })
	opts.HeaderTimeout = 50 * time.Millisecond
	if _, err = get(t, o, opts); err == nil || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("silent: %v", err)
	}
	opts.HeaderTimeout, opts.Timeout = time.Minute, 80*time.Millisecond
	if _, err = get(t, o, opts); err == nil || !strings.Contains(err.Error(), "it was not done in 80ms") {
		t.Errorf("late: %v", err)
	}
}

// TestAddresses: with the transport that the program uses, redirects lead to public addresses and to hosts of the settings alone.
func TestAddresses(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.put("/file", []byte("x"))
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	defer inside.Close()
	transport, err := image.NewTransport([]string{host(t, o.URL)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := o.options(t)
	opts.Transport, opts.Attempts = transport, 1
	if got, failure := get(t, o, opts); failure != nil || string(got) != "x" {
		t.Errorf("the host of the settings: %s, %v", got, failure)
	}
	for to, want := range map[string]string{
		inside.URL:                 "it is not",
		"http://169.254.169.254/":  "link-local address",
		"https://10.1.2.3/":        "10.1.2.3:443 is at a private address",
		"https://[fd00:ec2::254]/": "metadata service",
		"http://example.com/":      "it has no TLS",
		"https://127.1/":           "no name of a host",
	} {
		o.heal()
		o.fail(-1, answer(302, "Location", to))
		got, failure := get(t, o, opts)
		if to == inside.URL {
			want = host(t, to) + " is at a loopback address"
		}
		if failure == nil || !strings.Contains(failure.Error(), want) || !strings.Contains(failure.Error(), "only hosts that the settings name may be there") {
			t.Errorf("%s: %q, %v, want %s", to, got, failure, want)
		}
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, o.URL+"/file", http.StatusFound) }))
	defer secure.Close()
	opts.Transport = secure.Client().Transport
	_, err = download.File(t.Context(), opts, secure.URL+"/file", "f", func(string) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "redirected from https to http://"+host(t, o.URL)) {
		t.Errorf("from TLS to none: %v", err)
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.fail(-1, func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		if user, password, ok := req.BasicAuth(); !ok || user != "me" || password != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	opts := o.options(t)
	opts.Attempts = 1
	for _, address := range []string{strings.Replace(o.URL, "http://", "http://me:hunter2@", 1) + "/file", "http://me:hunter2@127.0.0.1:1/file", "http://me:hunter2@/%zz"} {
		_, err := download.File(t.Context(), opts, address, "file", func(string) error { return nil })
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v", err)
		}
	}
	text, _ := os.ReadFile(filepath.Join(opts.Dir, "file.part.json"))
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("kept %s", text)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.export(t, "Go", map[string]string{"GO-1": osvRecord("GO-1", "2026-01-01T00:00:00Z", "1.0.0")})
	opts := o.options(t)
	first, err := download.Run(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := download.Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "another process is downloading into "+opts.Dir) {
		t.Errorf("got %v", err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, opts); err != nil {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.fail(-1, func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		cancel()
		<-req.Context().Done()
	})
	if _, err := download.File(ctx, o.options(t), o.URL+"/file", "file", func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
