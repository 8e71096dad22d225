//go:build chart

package chart_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/e2e/controlplane"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

const (
	reviewKey = "a-review-key-of-the-test-that-is-long-enough"
	review    = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod","version":"v1"},"name":"web","namespace":"shop",` +
		`"object":{"spec":{"containers":[{"name":"a","image":%q}]}}}}`
	denial = "Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."
)

// TestServer runs the server with what the pod of each mode gives it: arguments, variables, and files where the volumes would be mounted.
// It must start, know each policy that a webhook names, and judge a review that came by the key in the path.
func TestServer(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "runecast")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/runecast").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	feed := buildFeed(t, binary)
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	body := fmt.Sprintf(review, registry.MustPush(t.Context(), "shop/web:1", imagetest.Nginx119()))
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			all := mustRender(t, m.values).objects(t)
			s := startServer(t, all, binary, "--feed="+feed)
			for name, id := range policiesOf(t, all) {
				status, answer := s.do(t, http.MethodPost, "/rc2/api/v2/k8s-admission-policy-review/policy/"+id+"/key/"+reviewKey+"?timeout=30s", body)
				if status != http.StatusOK || !strings.Contains(answer, `"uid":"u"`) || strings.Contains(answer, denial) != (id == "2") {
					t.Errorf("webhook %s, policy %s: status %d: %s", name, id, status, answer)
				}
			}
			s.ping(t, all, binary)
			if m.name == "default" {
				_, metrics := s.do(t, http.MethodGet, "/metrics", "")
				checkMetrics(t, metrics)
			}
		})
	}
}

// buildFeed makes vulnerability data of one record: without any, no image is looked at.
func buildFeed(t *testing.T, binary string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "osv", "Debian"), 0o700))
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	must(t, w.AddFS(os.DirFS("../apiserver/testdata/osv/Debian")))
	must(t, w.Close())
	must(t, os.WriteFile(filepath.Join(dir, "osv", "Debian", "all.zip"), archive.Bytes(), 0o600))
	feed := filepath.Join(dir, "feed.index")
	if out, err := exec.CommandContext(t.Context(), binary, "feed", "build", "--osv", filepath.Join(dir, "osv"), "-o", feed).CombinedOutput(); err != nil {
		t.Fatalf("feed build: %v\n%s", err, out)
	}
	return feed
}

// policiesOf reads the annotation by which certgen knows the policy of each webhook.
func policiesOf(t *testing.T, all []object) map[string]string {
	t.Helper()
	found := map[string]string{}
	text := only(t, all, "ValidatingWebhookConfiguration", "runecast-admission").GetAnnotations()["runecast.com/policies"]
	must(t, json.Unmarshal([]byte(text), &found))
	if len(found) == 0 {
		t.Fatal("no webhook has a policy")
	}
	return found
}

// server is a running server.
type server struct {
	dir     string                       // below which its volumes are mounted
	made    map[string]map[string]string // what volumes hold that the chart does not make
	address string
	client  *http.Client
}

func startServer(t *testing.T, all []object, binary string, more ...string) *server {
	t.Helper()
	dir := t.TempDir()
	pod := into[appsv1.Deployment](t, only(t, all, "Deployment", "runecast-server")).Spec.Template.Spec
	made := foreignFiles(t)
	mount(t, dir, all, &pod, made)
	argv := []string{"/usr/bin/env"}
	for _, of := range []string{"OSV", "NVD", "CVE", "EPSS", "KEV"} { // the world's servers are none of a test's
		argv = append(argv, "RUNECAST_"+of+"_URL=https://127.0.0.1:1/")
	}
	for _, v := range pod.Containers[0].Env {
		if v.ValueFrom == nil { // the database of a Secret: SQLite stands for it
			argv = append(argv, v.Name+"="+strings.Replace(v.Value, "/etc/runecast", dir+"/etc/runecast", 1))
		}
	}
	argv = append(append(argv, binary), pod.Containers[0].Args...)
	ps := &controlplane.Processes{}
	t.Cleanup(ps.KillAll)
	process, err := ps.Add(dir, "serve", append(append(argv, "--listen=127.0.0.1:0", "--registry-allow-networks=127.0.0.0/8"), more...)...)
	must(t, err)
	s := &server{dir: dir, made: made}
	must(t, process.Await(t.Context(), time.Minute, func(context.Context) error { return s.findAddress(process.Stderr) }))
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(filepath.Join(dir, "etc", "runecast", "tls", "ca.crt"))
	must(t, err)
	roots.AppendCertsFromPEM(ca)
	s.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "runecast-server.runecast.svc", MinVersion: tls.VersionTLS12}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// findAddress reads the server's log.
func (s *server) findAddress(log string) error {
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		var entry struct {
			Msg     string `json:"msg"`
			Address string `json:"address"`
		}
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "listening" {
			s.address = entry.Address
			return nil
		}
	}
	return errors.New("it does not listen yet")
}

func (s *server) do(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.address+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(text)
}

// ping runs what the pod of helm test runs, in the same place.
func (s *server) ping(t *testing.T, all []object, binary string) {
	t.Helper()
	pod := into[corev1.Pod](t, only(t, all, "Pod", "runecast-test-ping"))
	mount(t, s.dir, all, &pod.Spec, s.made)
	args := slices.Clone(pod.Spec.Containers[0].Args)
	for i := range args {
		args[i] = strings.Replace(args[i], "/etc/runecast", s.dir+"/etc/runecast", 1)
		if strings.HasPrefix(args[i], "--server=") {
			args[i] = "--server=" + s.address
		}
	}
	if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
		t.Errorf("helm test would fail: %q: %v\n%s", args, err, out)
	}
}

// mount writes what the volumes of a pod hold to where its container sees them, below dir. What the chart does not make is made up: by
// the names that the README tells users.
func mount(t *testing.T, dir string, all []object, pod *corev1.PodSpec, made map[string]map[string]string) {
	t.Helper()
	for _, m := range pod.Containers[0].VolumeMounts {
		at := filepath.Join(dir, m.MountPath)
		must(t, os.MkdirAll(at, 0o700))
		for i := range pod.Volumes {
			v := &pod.Volumes[i]
			if v.Name != m.Name {
				continue
			}
			files := made[v.Name]
			var items []corev1.KeyToPath
			switch {
			case v.ConfigMap != nil:
				items = v.ConfigMap.Items
				if files == nil {
					files = made[v.ConfigMap.Name]
				}
				if files == nil {
					files = into[corev1.ConfigMap](t, only(t, all, "ConfigMap", v.ConfigMap.Name)).Data
				}
			case v.Secret != nil:
				items = v.Secret.Items
			}
			writeFiles(t, dir, at, files, items)
		}
	}
}

func writeFiles(t *testing.T, dir, at string, files map[string]string, items []corev1.KeyToPath) {
	t.Helper()
	paths := map[string]string{}
	for key := range files {
		paths[key] = key
	}
	if items != nil {
		clear(paths)
		for _, i := range items {
			if _, is := files[i.Key]; !is {
				t.Errorf("%s: there is no key %s", at, i.Key)
			}
			paths[i.Key] = i.Path
		}
	}
	for key, path := range paths {
		content := strings.ReplaceAll(strings.ReplaceAll(files[key], "/etc/runecast", dir+"/etc/runecast"), "dataDir: /data", "dataDir: "+dir+"/data")
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(at, path)), 0o700))
		must(t, os.WriteFile(filepath.Join(at, path), []byte(content), 0o600))
	}
}

// foreignFiles are the contents of volumes, by their names or that of the ConfigMap, that certgen, cert-manager or the user makes.
func foreignFiles(t *testing.T) map[string]map[string]string {
	t.Helper()
	certificate, key := selfSigned(t)
	return map[string]map[string]string{
		"ca":         {"ca.crt": certificate},
		"serving":    {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate},
		"review-key": {"key": reviewKey},
		"tokens":     {"kube-apiserver": "2645cda9-ac05-4b6d-8e94-f27c84e93377"},
		"docker":     {".dockerconfigjson": `{"auths":{}}`},
		"admin":      {"one-time": "a one-time password\n"},
		"oidc":       {"secret": "a client secret\n"},
		"oidc-ca":    {"ca.crt": certificate},
		"notifications": {
			"webhook": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "slack": "https://hooks.corp/x\n", "smtp": "a password\n", "ca.crt": certificate,
		},
		"registry-cas": {"ca.crt": certificate},
		"my-policies":  {"mine.yaml": "policies: [{id: mine, name: Mine, mode: warn, rules: [{kev: true}]}]\n"},
	}
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"runecast-server.runecast.svc"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	encode := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8)
}
