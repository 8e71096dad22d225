package webhook_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/e2e/controlplane"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

const (
	releaseNamespace = "runecast"
	serviceName      = "runecast-nginx"
	policyLabel      = "runecast-admission-policy"
	bearerToken      = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
	reviewKey        = "5f1c0f6a2b7d4e9c8a3b5d7f9e1c2a4b6d8f0a1c3e5b7d9f1a2c4e6b8d0f2a4c"
	denial           = "Image scan in Runecast Analyzer found policy violations: " +
		"(Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."
	servicePort = "9080"
)

// record is vulnerability data of the test's own, in the OSV form: a fact of the Debian security tracker.
const record = `{"schema_version":"1.7.0","id":"DEBIAN-CVE-2021-3711","upstream":["CVE-2021-3711"],"published":"2021-08-24T15:15:00Z","modified":"2024-11-21T06:22:12Z",
 "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
 "affected":[{"package":{"ecosystem":"Debian:10","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"1.1.1d-0+deb10u7"}]}]}]}`

// lab is one API server and one server of the product, at the address of the Service runecast/runecast-nginx.
type lab struct {
	*controlplane.Cluster

	address           string // of the server, host:port
	caFile, keyFile   string
	vulnerable, fixed string // images
}

// TestWebhook starts the lab once and runs every test against it.
func TestWebhook(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	t.Run("Together", func(t *testing.T) {
		t.Run("Golden", l.testGolden)
		t.Run("Service", l.testService)
		t.Run("URL", l.testURL)
		t.Run("Refused", l.testRefused)
		t.Run("Helm", l.testHelm)
		t.Run("Conflict", l.testConflict)
		t.Run("Bundle", l.testBundle)
		t.Run("Removed", l.testRemoved)
		t.Run("FromCluster", l.testFromCluster)
		t.Run("Access", l.testAccess)
		t.Run("Check", l.testCheck)
		t.Run("CheckSettings", l.testCheckSettings)
		t.Run("Status", l.testStatus)
		t.Run("Survey", l.testSurvey)
	})
	t.Run("Everywhere", l.testEverywhere) // by itself, as it guards all namespaces
}

func startLab(t *testing.T) *lab {
	t.Helper()
	found := controlplane.Find(t)
	dir := t.TempDir()
	ps := &controlplane.Processes{}
	t.Cleanup(ps.KillAll)
	controlplane.StopOnSignal(t, ps, dir)

	network := fmt.Sprintf("127.%d.%d.", 2+rand.IntN(250), rand.IntN(250))
	l := &lab{address: net.JoinHostPort(network+"80", servicePort), caFile: filepath.Join(dir, "data", "tls", "ca.crt"), keyFile: filepath.Join(dir, "keys", "key")}
	var err error
	l.Cluster, err = controlplane.Start(ps, dir, found, controlplane.Options{
		ServiceRange: network + "0/24", Users: []controlplane.WebhookUser{{Host: l.address, Token: bearerToken}},
	})
	must(t, err)
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	l.vulnerable = registry.MustPush(t.Context(), "library/nginx:1.19", imagetest.Nginx119())
	l.fixed = registry.MustPush(t.Context(), "library/nginx:1.19-fixed", imagetest.Nginx119Fixed())
	l.serve(t, dir, network+"80")
	must(t, l.Await(t.Context()))
	l.namespace(t, releaseNamespace, nil)
	_, err = l.Client.CoreV1().Services(releaseNamespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: serviceName},
		Spec:       corev1.ServiceSpec{ClusterIP: network + "80", Ports: []corev1.ServicePort{{Port: 9080}}},
	}, metav1.CreateOptions{})
	must(t, err)
	return l
}

// serve starts the product with a review key and a token, and with a certificate for the Service and its address.
func (l *lab) serve(t *testing.T, dir, ip string) {
	t.Helper()
	data := filepath.Join(dir, "data")
	must(t, os.MkdirAll(data, 0o700))
	writeFile(t, l.keyFile, []byte(reviewKey))
	writeFile(t, filepath.Join(dir, "tokens", "kube-apiserver"), []byte(bearerToken))
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	entry, err := w.Create("DEBIAN-CVE-2021-3711.json")
	must(t, err)
	_, err = entry.Write([]byte(record))
	must(t, err)
	must(t, w.Close())
	writeFile(t, filepath.Join(dir, "osv", "Debian", "all.zip"), archive.Bytes())
	if code, _, errOut := run(t.Context(), "--data-dir", data, "feed", "build", "--osv", filepath.Join(dir, "osv")); code != app.ExitOK {
		t.Fatalf("feed build: %d %s", code, errOut)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	log := &logBuffer{}
	done := make(chan int, 1)
	go func() {
		done <- app.Main(ctx, []string{
			"--data-dir", data, "serve", "--listen", l.address, "--registry-allow-networks", "127.0.0.0/8", "--tls-names", ip + "," + serviceName + "." + releaseNamespace + ".svc",
			"--review-key-dir", filepath.Dir(l.keyFile), "--token-dir", filepath.Join(dir, "tokens"),
		}, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log})
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != app.ExitOK {
			t.Errorf("serve ended with %d: %s", code, log)
		}
	})
	eventually(t, func() error {
		code, _, errOut := run(t.Context(), "webhook", "ping", "--server", "https://"+l.address, "--ca-file", l.caFile, "--key-file", l.keyFile)
		if code != app.ExitOK {
			return fmt.Errorf("ping: %d %s %s", code, errOut, log)
		}
		return nil
	})
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// run runs a command of the program.
func run(ctx context.Context, args ...string) (code int, out, errOut string) {
	var outBuffer, errBuffer bytes.Buffer
	code = app.Main(ctx, args, app.Streams{In: strings.NewReader(""), Out: &outBuffer, Err: &errBuffer})
	return code, outBuffer.String(), errBuffer.String()
}

// webhook runs a webhook command on the lab's cluster and checks its exit code. The review key is nowhere in what it prints.
func (l *lab) webhook(t *testing.T, wantCode int, command string, args ...string) (out, errOut string) {
	t.Helper()
	code, out, errOut := run(t.Context(), append([]string{"webhook", command, "--kubeconfig", l.Kubeconfig}, args...)...)
	if code != wantCode {
		t.Fatalf("webhook %s %s: exit code %d, want %d\n%s\n%s", command, strings.Join(args, " "), code, wantCode, out, errOut)
	}
	if strings.Contains(errOut, reviewKey) || (command != "generate" && strings.Contains(out, reviewKey)) {
		t.Errorf("webhook %s shows the review key:\n%s\n%s", command, out, errOut)
	}
	for line := range strings.Lines(out) {
		if command != "generate" && command != "diff" && !strings.Contains(strings.Join(args, " "), "json") && len([]rune(strings.TrimRight(line, "\n"))) > 100 {
			t.Errorf("webhook %s prints a line of more than 100 columns: %s", command, line)
		}
	}
	return out, errOut
}

// spec are the flags of a configuration with a name and a label of a test's own.
func (l *lab) spec(name string, more ...string) []string {
	return append([]string{
		"--name", name, "--webhook-name", name + ".runecast.com", "--policy", "2", "--namespace-label", "test=" + name,
		"--service", releaseNamespace + "/" + serviceName + ":" + servicePort, "--ca-file", l.caFile,
	}, more...)
}

func (l *lab) get(t *testing.T, name string) *admissionregistration.ValidatingWebhookConfiguration {
	t.Helper()
	c, err := l.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	return c
}

func (l *lab) namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	_, err := l.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	must(t, err)
}

// pod creates a pod as a dry run, which webhooks are asked about all the same.
func (l *lab) pod(t *testing.T, namespace, image string) error {
	t.Helper()
	_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "web-"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: image}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// eventually polls until something is so.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(err)
		}
	}
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, content, 0o600))
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func wantTexts(t *testing.T, output string, texts ...string) {
	t.Helper()
	flat := strings.Join(strings.Fields(output), " ")
	for _, text := range texts {
		if !strings.Contains(flat, text) {
			t.Errorf("the output lacks %q:\n%s", text, output)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
