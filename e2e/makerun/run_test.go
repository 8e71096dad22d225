package makerun_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

const deniedLine = "Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."

// output is what a program has printed so far.
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

// TestMakeRun runs `make run` in the checkout, and the command that it prints.
func TestMakeRun(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"make", "curl", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("the README asks for it: %v", err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	data, printed, stop := start(t, root)
	curl := regexp.MustCompile(`(?s)\n  (curl .*?timeout=30s')\n`).FindStringSubmatch(printed.String())
	if curl == nil {
		t.Fatalf("no curl command is printed:\n%s", printed)
	}
	// nginx:1.19 itself: with the internet there it is denied for what is in it, without for what stands in the way.
	if answer := bash(t, root, curl[1]); !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, deniedLine) {
		t.Errorf("the printed command gives %s", answer)
	}
	registry := imagetest.NewRegistry()
	defer registry.Close()
	for image, allowed := range map[string]string{
		registry.MustPush(t.Context(), "nginx:1.19", imagetest.Nginx119()):            `"allowed":false`,
		registry.MustPush(t.Context(), "nginx:1.19-fixed", imagetest.Nginx119Fixed()): `"allowed":true`,
	} {
		review, err := os.ReadFile(filepath.Join(root, "docs", "examples", "review-nginx-1.19.json"))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(data, "review.json")
		if err := os.WriteFile(file, bytes.ReplaceAll(review, []byte("nginx:1.19"), []byte(image)), 0o600); err != nil {
			t.Fatal(err)
		}
		answer := bash(t, root, strings.Replace(curl[1], "@docs/examples/review-nginx-1.19.json", "@"+file, 1))
		if !strings.Contains(answer, allowed) || (allowed == `"allowed":false`) != strings.Contains(answer, "CVE-2021-3711") {
			t.Errorf("%s: %s", image, answer)
		}
	}
	for _, file := range []string{"token", "authorization"} {
		if info, err := os.Stat(filepath.Join(data, file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	stop()
	if log, err := os.ReadFile(filepath.Join(data, "server.log")); err != nil || !strings.Contains(string(log), "shutting down") {
		t.Errorf("the server did not end in order: %v\n%s", err, log)
	}
}

// start runs make and waits until it has printed everything.
func start(t *testing.T, root string) (data string, printed *output, stop func()) {
	t.Helper()
	data, printed = t.TempDir(), &output{}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binding to loopback does not block
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "make", "run", "DATA="+data, "FEEDS="+feeds(t, root), "LISTEN="+address)
	command.Dir, command.Stdout, command.Stderr = root, printed, printed
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGINT) // as Ctrl-C does
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
			t.Error("make run does not end with Ctrl-C")
		}
	})
	t.Cleanup(stop)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Minute); !strings.Contains(printed.String(), "export RUNECAST_DATA_DIR="); {
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("make run ended:\n%s", printed)
		case <-deadline:
			t.Fatalf("make run does not get ready:\n%s", printed)
		}
	}
	return data, printed, stop
}

// feeds gives the directory of real vulnerability data. The records of the e2e/apiserver tests stand in where there is none.
func feeds(t *testing.T, root string) string {
	t.Helper()
	dir := os.Getenv("RUNECAST_TEST_FEEDS")
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "feeds")
	}
	if _, err := os.Stat(filepath.Join(dir, "osv")); err == nil {
		return dir
	}
	record, err := os.ReadFile(filepath.Join(root, "e2e", "apiserver", "testdata", "osv", "Debian", "DEBIAN-CVE-2021-3711.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	entry, err := archive.Create("DEBIAN-CVE-2021-3711.json")
	if err == nil {
		_, err = entry.Write(record)
	}
	dir = t.TempDir()
	folder := filepath.Join(dir, "osv", "Debian")
	if err = errors.Join(err, archive.Close(), os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "all.zip"), b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func bash(t *testing.T, dir, script string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-c", "set -e; "+script)
	command.Dir = dir
	out, err := command.Output() // curl's progress goes to stderr
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
