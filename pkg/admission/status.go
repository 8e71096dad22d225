package admission

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
)

// problem is an answer other than an AdmissionReview. It is sent in the shape of Kubernetes' Status object, which the API
// server and kubectl know how to show.
type problem struct {
	code       int
	message    string
	retryAfter int // seconds; 0: no Retry-After. The API server repeats a review only where there is one.
	allow      string
}

type problemJSON struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Status     string `json:"status"`
	Message    string `json:"message"`
	Code       int    `json:"code"`
}

func (p problem) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.allow != "" {
		header.Set("Allow", p.allow)
	}
	if p.code == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="runecast"`)
	}
	body, err := json.Marshal(problemJSON{Kind: "Status", APIVersion: "v1", Status: "Failure", Message: p.message, Code: p.code})
	if err != nil { // only a message of invalid UTF-8 gets here
		body = []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"the message cannot be encoded"}`)
	}
	w.WriteHeader(p.code)
	_, _ = w.Write(append(body, '\n')) // the client is gone: nobody is left to be told
}

// NotFound answers every path that the server does not know, in the same shape as all other problems. It never redirects: the API
// server would follow, and send the review and its credentials elsewhere.
func NotFound(w http.ResponseWriter, r *http.Request) {
	problem{code: http.StatusNotFound, message: "there is nothing at " + strconv.Quote(truncate(safePath(r.URL.Path), 200)) + "; reviews are taken at " + ReviewPath + "<policy id>"}.write(w)
}

// keySegment stands before the key in a review's path.
const keySegment = "/key/"

// safePath is a path for logs and answers, without a key that may stand in it.
func safePath(path string) string {
	if before, _, found := strings.Cut(path, keySegment); found {
		return before + keySegment + "…"
	}
	return path
}

func truncate(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "…"
}
