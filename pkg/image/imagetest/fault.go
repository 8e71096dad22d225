package imagetest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Match chooses requests.
type Match func(*http.Request) bool

// Any chooses every request.
func Any(*http.Request) bool { return true }

// Manifest chooses requests for manifests and indexes.
func Manifest(req *http.Request) bool { return strings.Contains(req.URL.Path, "/manifests/") }

// Blob chooses requests for layers and configurations.
func Blob(req *http.Request) bool { return strings.Contains(req.URL.Path, "/blobs/") }

// Path chooses requests whose path contains a text, such as a digest.
func Path(part string) Match {
	return func(req *http.Request) bool { return strings.Contains(req.URL.Path, part) }
}

// Fault answers a request in the registry's place; next is the healthy registry.
type Fault func(w http.ResponseWriter, req *http.Request, next http.Handler)

// Always as a number of times means: until Heal.
const Always = -1

type injection struct {
	match Match
	left  int // how many more requests; Always: no end
	fault Fault
}

// Inject makes the next times requests that match fail, or all until Heal. Of several injections the first that matches acts.
func (r *Registry) Inject(match Match, times int, fault Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, &injection{match: match, left: times, fault: fault})
}

// Heal takes all faults away.
func (r *Registry) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = nil
}

// take uses up one of an injection's times; the caller holds the lock.
func (r *Registry) take(req *http.Request) Fault {
	for _, i := range r.faults {
		if i.left == 0 || !i.match(req) {
			continue
		}
		if i.left > 0 {
			i.left--
		}
		return i.fault
	}
	return nil
}

// Status answers with a status code and the error body that registries write.
func Status(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { writeError(w, code) }
}

// TooManyRequests answers 429 with a Retry-After of that many seconds.
func TooManyRequests(retryAfter int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		writeError(w, http.StatusTooManyRequests)
	}
}

// CutAfter sends the true answer's header and n bytes of its body, then cuts the connection.
func CutAfter(n int) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		body := sendHeader(w, req, next)
		_, _ = w.Write(body[:min(n, len(body))])
		flush(w)
		panic(http.ErrAbortHandler)
	}
}

// Trickle sends the true answer's header and n bytes of its body, then one byte every interval.
func (r *Registry) Trickle(n int, interval time.Duration) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		body := sendHeader(w, req, next)
		sent := min(n, len(body))
		_, _ = w.Write(body[:sent])
		flush(w)
		for ; sent < len(body); sent++ {
			select {
			case <-time.After(interval):
			case <-req.Context().Done():
				return
			case <-r.closed:
				return
			}
			if _, err := w.Write(body[sent : sent+1]); err != nil {
				return
			}
			flush(w)
		}
	}
}

// Hang never answers; it ends when the client gives up or the registry is closed.
func (r *Registry) Hang() Fault {
	return func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		select {
		case <-req.Context().Done():
		case <-r.closed:
		}
	}
}

// Gate lets requests wait until open is closed, then answers them truly.
func (r *Registry) Gate(open <-chan struct{}) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		select {
		case <-open:
			next.ServeHTTP(w, req)
		case <-req.Context().Done():
		case <-r.closed:
		}
	}
}

// WrongContent sends other bytes than were asked for, of the same number.
func WrongContent() Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		body := sendHeader(w, req, next)
		_, _ = io.Copy(w, bytes.NewReader(bytes.Repeat([]byte{'x'}, len(body))))
	}
}

// Content sends these bytes under this content type, whatever was asked for.
func Content(contentType string, body []byte) Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if req.Method != http.MethodHead {
			_, _ = w.Write(body)
		}
	}
}

// Redirect sends the client to another address.
func Redirect(location string) Fault {
	return func(w http.ResponseWriter, req *http.Request, _ http.Handler) {
		http.Redirect(w, req, location, http.StatusTemporaryRedirect)
	}
}

// sendHeader writes the true answer's header and gives its body.
func sendHeader(w http.ResponseWriter, req *http.Request, next http.Handler) []byte {
	recorder := httptest.NewRecorder()
	next.ServeHTTP(recorder, req)
	maps.Copy(w.Header(), recorder.Header())
	w.WriteHeader(recorder.Code)
	flush(w)
	return recorder.Body.Bytes()
}

func flush(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush()
}

func writeError(w http.ResponseWriter, code int) {
	codes := map[int]string{
		http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED", http.StatusNotFound: "MANIFEST_UNKNOWN",
		http.StatusTooManyRequests: "TOOMANYREQUESTS",
	}
	word, ok := codes[code]
	if !ok {
		word = "UNKNOWN"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, `{"errors":[{"code":"`+word+`","message":"injected fault"}]}`)
}
