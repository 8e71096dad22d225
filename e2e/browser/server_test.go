//go:build browser

package browser

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

const (
	oneTime  = "one-time-password"
	password = "a password of my own"
	hostile  = `<img src=x onerror=alert(1)><script>alert(2)</script>`
)

// server is a runecast that serves the pages by TLS of its own, with a registry beside it.
type server struct {
	t          *testing.T
	dir        string
	address    string
	log        *output
	registry   *imagetest.Registry
	vulnerable string
	fixed      string
	layered    string
}

// output is what the server has logged so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func start(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), log: &output{}, registry: imagetest.NewRegistry()}
	t.Cleanup(s.registry.Close)
	s.feed()
	s.vulnerable = s.registry.MustPush(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	s.fixed = s.registry.MustPush(t.Context(), "library/nginx:1.19-fixed", imagetest.Nginx119Fixed())
	s.layered = s.registry.MustPush(t.Context(), "team/layered:1", imagetest.TwoLayer())
	file := s.write("admin", []byte(oneTime))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	code := make(chan int, 1)
	go func() {
		code <- app.Main(ctx, []string{
			"--data-dir", s.dir, "--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--registry-allow-networks", "127.0.0.0/8", "--admin-password-file", file, "--config", s.destinations(),
		}, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: s.log})
	}()
	t.Cleanup(func() { cancel(); <-code })
	until(t, "the server listens", func() bool {
		for line := range strings.Lines(s.log.String()) {
			var entry struct {
				Msg     string `json:"msg"`
				Address string `json:"address"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				s.address = entry.Address
			}
		}
		return s.address != ""
	})
	return s
}

// destinations are settings with one destination that gives notifications up, and one that may not be asked.
func (s *server) destinations() string {
	s.t.Helper()
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	s.t.Cleanup(gone.Close)
	secret := s.write("secret", []byte("whsec_"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key"), 10))))
	return s.write("runecast.yaml", fmt.Appendf(nil, `notificationAllowNetworks: [%[1]s]
notifications:
  - {name: gone, type: webhook, url: "http://%[1]s", plainHttp: true, secretFile: %[2]s}
  - {name: inside, type: webhook, url: "https://10.0.0.1", secretFile: %[2]s, events: [deny, unknown], namespaces: ["*"]}
`, gone.Listener.Addr(), secret))
}

// until polls until something is so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not so after 30 s: %s", what)
		}
	}
}

func (s *server) write(name string, body []byte) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(path, body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// record is an advisory about a package of Debian 10.
type record struct{ cve, name, fixed, vector, summary string }

// feed builds the server's vulnerability data: of every severity, with and without a fix, exploited ones, and one with a hostile text.
func (s *server) feed() {
	s.t.Helper()
	osv := s.t.TempDir()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for _, r := range []record{
		{"CVE-2021-3711", "openssl", "1.1.1d-0+deb10u7", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "SM2 decryption buffer overflow"},
		{"CVE-2021-33574", "glibc", "", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "Use after free in mq_notify"},
		{"CVE-2021-3712", "openssl", "1.1.1d-0+deb10u7", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:H", "Read buffer overruns processing ASN.1 strings"},
		{"CVE-2019-3843", "systemd", "", "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:N/SC:N/SI:N/SA:N", "A service with DynamicUser can create setuid binaries"},
		{"CVE-2020-0002", "gzip", "1.9-3+deb10u1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", hostile},
		{"CVE-2011-4116", "perl", "", "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:L/A:N", "Temporary files follow symbolic links"},
		{"CVE-2020-0004", "apt", "1.8.2.3", "", "Missing input validation in the ar and tar implementations"},
	} {
		body := fmt.Sprintf(`{"schema_version":"1.7.0","id":"DEBIAN-%[1]s","upstream":[%[1]q],"summary":%[2]q,"published":"2021-08-24T15:15:00Z","modified":"2024-11-21T06:22:12Z",`, r.cve, r.summary)
		if r.vector != "" {
			body += fmt.Sprintf(`"severity":[{"type":"CVSS_V%c","score":%q}],`, r.vector[len("CVSS:")], r.vector)
		}
		events := `{"introduced":"0"}`
		if r.fixed != "" {
			events += fmt.Sprintf(`,{"fixed":%q}`, r.fixed)
		}
		body += fmt.Sprintf(`"affected":[{"package":{"ecosystem":"Debian:10","name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}]}`, r.name, events)
		entry, err := archive.Create("DEBIAN-" + r.cve + ".json")
		if err == nil {
			_, err = io.WriteString(entry, body)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		s.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(osv, "Debian"), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(osv, "Debian", "all.zip"), b.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	epss := s.write("epss.csv", []byte("#model_version:v2025.03.14,score_date:2026-11-20T12:55:00Z\ncve,epss,percentile\nCVE-2021-3711,0.0312,0.87\nCVE-2021-33574,0.4,0.97\nCVE-2020-0002,0.00042,0.11\n"))
	kev := s.write("kev.json", []byte(`{"dateReleased":"2026-11-21T00:00:00Z","vulnerabilities":[{"cveID":"CVE-2021-33574","dateAdded":"2024-02-02","dueDate":"2024-02-23","knownRansomwareCampaignUse":"Known"}]}`))
	var errs bytes.Buffer
	if code := app.Main(s.t.Context(), []string{"--data-dir", s.dir, "--log-level", "error", "feed", "build", "--osv", osv, "--epss", epss, "--kev", kev},
		app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &errs}); code != app.ExitOK {
		s.t.Fatalf("feed build: %d %s", code, &errs)
	}
}

// ca is the certificate that the server's own one is of.
func (s *server) ca() *x509.Certificate {
	s.t.Helper()
	plain, err := os.ReadFile(filepath.Join(s.dir, "tls", "ca.crt"))
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(plain)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return ca
}

// pin is the fingerprint of the key of the server's authority, as Chromium takes it.
func (s *server) pin() string {
	sum := sha256.Sum256(s.ca().RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// review sends a review of a pod with an image, by a token, as an API server would.
func (s *server) review(token, image string) string {
	s.t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod","version":"v1"},"name":"web","namespace":"shop",
 "userInfo":{"username":"system:serviceaccount:shop:deployer"},"object":{"spec":{"containers":[{"name":"a","image":%q}]}}}}`, image)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.address+"/rc2/api/v2/k8s-admission-policy-review/policy/2?timeout=20s", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	roots := x509.NewCertPool()
	roots.AddCert(s.ca())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %v %s", response.StatusCode, err, answer)
	}
	return string(answer)
}
