package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const reviewKey = "kRb0jVwYkq3nV0sX4mEoZ2t1c8yq5u7a9d6fGhJkLmN"

// keyHome writes a review key and an API token as mounted Secrets would hold them.
func keyHome(t *testing.T, h *home) (keys, tokens string) {
	t.Helper()
	keys, tokens = filepath.Join(h.dir, "keys"), filepath.Join(h.dir, "tokens")
	for _, dir := range []string{keys, tokens} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(keys, "key"), []byte(reviewKey))
	write(t, filepath.Join(tokens, "kube-apiserver"), []byte("2645cda9-ac05-4b6d-8e94-f27c84e93377\n"))
	return keys, tokens
}

func TestReviewKeyInThePath(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	keys, tokens := keyHome(t, h)
	s := h.serve("--review-key-dir", keys, "--token-dir", tokens)
	s.token = "none"
	plain := strings.TrimSuffix(reviewPath, "?timeout=10s")
	for path, code := range map[string]int{
		plain + "/key/" + reviewKey:                                       http.StatusOK,
		strings.Replace(plain, "/rc2/", "/rca/", 1) + "/key/" + reviewKey: http.StatusOK,
		plain + "/key/" + strings.ToUpper(reviewKey):                      http.StatusUnauthorized,
		plain + "/key/2645cda9-ac05-4b6d-8e94-f27c84e93377":               http.StatusUnauthorized,
		plain + "/key/" + reviewKey + "/more":                             http.StatusNotFound,
		plain + "/key/":                                                   http.StatusNotFound,
		strings.Replace(plain, "/2", "/99", 1) + "/key/" + reviewKey:      http.StatusNotFound,
		plain: http.StatusUnauthorized,
	} {
		got, answer := s.do(http.MethodPost, path, podReview(h.vulnerable))
		if got != code || (code == http.StatusOK && !strings.Contains(answer, deniedLine)) || strings.Contains(answer, reviewKey) {
			t.Errorf("%s: %d %s", path, got, answer)
		}
	}
	s.token = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
	if code, answer := s.do(http.MethodPost, reviewPath, podReview(h.vulnerable)); code != http.StatusOK {
		t.Errorf("the token of a file: %d %s", code, answer)
	}
	if log := s.log.String(); strings.Contains(log, reviewKey) || strings.Contains(log, s.token) || !strings.Contains(log, "/policy/2/key/…") {
		t.Errorf("the log: %s", log)
	}
}

func TestWebhookPing(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	keys, tokens := keyHome(t, h)
	s := h.serve("--review-key-dir", keys, "--token-dir", tokens)
	common := []string{"webhook", "ping", "--server", s.address, "--ca-file", filepath.Join(h.dir, "tls", "ca.crt")}
	with := func(args ...string) []string { return append(append([]string(nil), common...), args...) }

	code, out, _ := h.run(with("--key-file", filepath.Join(keys, "key"))...)
	want(t, code, out, app.ExitOK, "allowed      true", "policy       2")
	code, out, _ = h.run(with("--token-file", filepath.Join(tokens, "kube-apiserver"), "--image", h.vulnerable, "-o", "json")...)
	want(t, code, out, app.ExitDenied, `"allowed": false`, "Rejected by policy 2")
	if code, out, _ = h.run("decision", "list"); code != app.ExitOK || strings.Contains(out, "runecast-ping") {
		t.Errorf("a ping is recorded: %d %s", code, out)
	}

	wrong := filepath.Join(h.dir, "wrong")
	write(t, wrong, []byte(strings.Repeat("x", 40)))
	code, _, errs := h.run(with("--key-file", wrong)...)
	want(t, code, errs, app.ExitError, "the server answers 401")
	if strings.Contains(errs, "xxxx") {
		t.Errorf("the key is shown: %s", errs)
	}
	code, _, errs = h.run(with("--key-file", filepath.Join(keys, "key"), "--policy", "99")...)
	want(t, code, errs, app.ExitError, "the server answers 404", "there is no policy with the id")
	code, _, errs = h.run("webhook", "ping", "--server", s.address, "--key-file", wrong)
	want(t, code, errs, app.ExitError, "nobody answers", "certificate")
	code, _, errs = h.run("webhook", "ping", "--server", "runecast:9080")
	want(t, code, errs, app.ExitError, "the server is no URL such as https://")
}
