//go:build e2e

package kind_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser is somebody at the pages, through nginx.
type browser struct {
	client *http.Client
	base   string
}

// testPages logs in as NOTES.txt tells, finds the denied pod, and has an image scanned for longer than a review may take.
func (l *lab) testPages(t *testing.T) {
	var reset struct {
		Password string `json:"oneTimePassword"`
	}
	must(t, json.Unmarshal([]byte(l.kubectl("--namespace", releaseNamespace, "exec", "deploy/runecast-server", "--", "/runecast", "user", "reset-password", "admin", "-o", "json")), &reset))
	b := l.browser(t)
	if code, page := b.open(t, http.MethodGet, "/scans", nil); code != http.StatusOK || !strings.Contains(page, "Log in") {
		t.Fatalf("without a login: %d %s", code, page)
	}
	b.open(t, http.MethodPost, "/login", url.Values{"name": {"admin"}, "password": {reset.Password}, "next": {"/scans"}})
	const own = "a password of my own"
	b.open(t, http.MethodPost, "/password", url.Values{"old": {reset.Password}, "password": {own}, "again": {own}})
	_, page := b.open(t, http.MethodGet, "/scans?namespace="+shop+"&image="+url.QueryEscape(l.registry.vulnerable), nil)
	for _, text := range []string{l.registry.vulnerable, "K8s admission controller", "Not compliant"} {
		if !strings.Contains(page, text) {
			t.Errorf("the list of scans lacks %q: %s", text, page)
		}
	}
	_, page = b.open(t, http.MethodPost, "/tokens", url.Values{"name": {"pipeline"}, "access": {"Global Admin"}})
	secret := regexp.MustCompile(`id="secret"[^>]*>([^<]+)<`).FindStringSubmatch(page)
	if secret == nil {
		t.Fatalf("no token: %s", page)
	}
	_, page = b.open(t, http.MethodGet, "/webhooks", nil) // by the rights that the chart gives the server
	for _, text := range []string{chartConfig, chartWebhook, `href="/policies/2"`, "<td>" + shop + "</td>", `<span class="ok">good</span>`} {
		if !strings.Contains(page, text) {
			t.Errorf("the page of webhooks lacks %q: %s", text, page)
		}
	}
	b.follow(t, l.registry.slow)
	b.scanSlowly(t, l.registry.slow, secret[1])
	b.checkFront(t)
}

// chosen is the address that the browser says it asks for. Nobody may believe it.
const chosen = "203.0.113.7"

// checkFront looks for what nginx does to requests: who they come from, and how large they may be.
func (b *browser) checkFront(t *testing.T) {
	t.Helper()
	_, page := b.open(t, http.MethodGet, "/audit", nil)
	if strings.Contains(page, chosen) || !strings.Contains(page, "<td>127.0.0.1</td>") { // where kubectl's port-forward comes out
		t.Errorf("the audit log has addresses that the browser chose: %s", page)
	}
	for path, want := range map[string]int{
		"/login": http.StatusRequestEntityTooLarge, "/rc2/api/v2/k8s-admission-policy-review/policy/2": http.StatusUnauthorized, "/rca/api/v2/k8s-admission-policy-review/policy/2": http.StatusUnauthorized,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+path, bytes.NewReader(make([]byte, 5<<20)))
		must(t, err)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Origin", b.base)
		response, err := b.client.Do(request)
		must(t, err)
		must(t, response.Body.Close())
		if response.StatusCode != want {
			t.Errorf("5 MiB to %s: %s, want %d", path, response.Status, want)
		}
	}
}

// follow has an image scanned by the page, and wants the first word of how far it is at once.
func (b *browser) follow(t *testing.T, image string) {
	t.Helper()
	began := time.Now()
	_, page := b.open(t, http.MethodPost, "/scans", url.Values{"images": {image}, "policy": {"2"}})
	at := regexp.MustCompile(`data-events="([^"]+)"`).FindStringSubmatch(page)
	if at == nil {
		t.Errorf("the page of a scan under way names no events: %s", page)
		return
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.base+at[1], nil)
	must(t, err)
	response, err := b.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	if took := time.Since(began); err != nil || line != "event: state\n" || took > 20*time.Second {
		t.Errorf("%s gives %q (%v) after %s", at[1], line, err, took)
	}
}

// scanSlowly asks for a scan that takes longer than a review may, as pipelines do.
func (b *browser) scanSlowly(t *testing.T, image, token string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"imageNames": []string{image}, "policyId": 2})
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base+"/rc2/api/v2/images-scan-requests", bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", token)
	began := time.Now()
	response, err := b.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	took := time.Since(began)
	t.Logf("a scan request of %s: %s", took.Round(time.Second), text)
	var answer struct {
		Status   string `json:"status"`
		Complies *bool  `json:"scanResultCompliesWithPolicy"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != http.StatusOK || answer.Status != "Success" || answer.Complies == nil || *answer.Complies {
		t.Errorf("%d %v", response.StatusCode, err)
	}
	if took < 32*time.Second {
		t.Errorf("it took %s, which shows nothing about nginx' time limits", took)
	}
}

// browser reaches the pages as NOTES.txt tells.
func (l *lab) browser(t *testing.T) *browser {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(l.bundle(t, chartConfig))) {
		t.Fatal("caBundle holds no certificate")
	}
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &browser{
		base: "https://" + l.forward(t),
		client: &http.Client{
			Jar: jar, Timeout: 3 * time.Minute,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "runecast-nginx." + releaseNamespace + ".svc", MinVersion: tls.VersionTLS12}},
		},
	}
}

// forward has kubectl bring a port of this machine to nginx, until the test ends.
func (l *lab) forward(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "kubectl", "--kubeconfig", l.kubeconfig, "--namespace", releaseNamespace, "port-forward", "service/runecast-nginx", ":9080")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "Forwarding from "); ok {
			address, _, _ := strings.Cut(at, " ")
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return address
		}
	}
	t.Fatalf("kubectl port-forward: %v", lines.Err())
	return ""
}

// open does what a browser does with a link or a form, and follows redirects.
func (b *browser) open(t *testing.T, method, path string, form url.Values) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.base+path, strings.NewReader(form.Encode()))
	must(t, err)
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	request.Header.Set("Origin", b.base)
	request.Header.Set("X-Forwarded-For", chosen)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s: %s: %s", method, path, response.Status, page)
	}
	if response.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%s %s has no Content-Security-Policy: %v", method, path, fmt.Sprint(response.Header))
	}
	return response.StatusCode, string(page)
}
