package hostile_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

const (
	maxMemory = 200 << 20        // of the whole process, at its peak
	limit     = 60 * time.Second // a scan takes some seconds at most; more is a hang
)

// result is how a scan ended.
type result struct {
	code   int
	output string // of both streams
	memory int64  // bytes resident at the peak
	took   time.Duration
}

// program builds the program once.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "runecast")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/runecast/runecast/cmd/runecast").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return path
}

// scan scans an image with the program, in directories of its own, and checks what holds for every image.
func scan(t *testing.T, path string, layers ...v1.Layer) result {
	t.Helper()
	registry := imagetest.NewRegistry()
	defer registry.Close()
	reference := registry.MustPush(t.Context(), "hostile:1", imagetest.Image(layers...))
	root := t.TempDir()
	dirs := map[string]string{}
	for _, name := range []string{"data", "tmp", "work", "home"} {
		dirs[name] = filepath.Join(root, name)
		if err := os.Mkdir(dirs[name], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "scan", reference, "-o", "spdx", "--log-level", "error", "--data-dir", dirs["data"])
	cmd.Dir, cmd.Env = dirs["work"], []string{"HOME=" + dirs["home"], "TMPDIR=" + dirs["tmp"], "PATH=/nonexistent"}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, peak := make(chan error, 1), int64(0)
	go func() { ended <- cmd.Wait() }()
	var err error
	for waiting := true; waiting; {
		select {
		case err = <-ended:
			waiting = false
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, resident(cmd.Process.Pid))
		}
	}
	r := result{code: cmd.ProcessState.ExitCode(), output: output.String(), took: time.Since(began), memory: peak}
	t.Logf("exit code %d after %s, %d MB at the peak: %.600s", r.code, r.took.Round(time.Millisecond), r.memory>>20, said(r.output))
	if ctx.Err() != nil || r.code < 0 {
		t.Fatalf("it did not end by itself: %v", err)
	}
	if strings.Contains(r.output, "panic:") || strings.Contains(r.output, "goroutine ") {
		t.Errorf("it panicked:\n%.2000s", r.output)
	}
	if r.memory > maxMemory {
		t.Errorf("it took %d MB of memory, more than %d", r.memory>>20, maxMemory>>20)
	}
	for _, name := range []string{"tmp", "work", "home"} {
		if left := files(t, dirs[name]); left != "" {
			t.Errorf("it left files in %s: %s", name, left)
		}
	}
	if entries := files(t, root); strings.Contains(entries, escape) {
		t.Errorf("a file of the image was written: %s", entries)
	}
	return r
}

// resident is the peak of a process that is running, in bytes; 0 once it has ended. The usage that the system gives of a process that has
// ended counts the pages of the one that started it too, from before its own program began.
func resident(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscanf(rest, "%d kB", &kilobytes); err != nil {
		return 0
	}
	return kilobytes << 10
}

// said is what the program says of the image: its error, or the first of what it could not read.
func said(output string) string {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "error: ") || strings.Contains(line, "not read") {
			return strings.TrimSpace(line)
		}
	}
	return "listed"
}

func files(t *testing.T, dir string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}

// refused wants an error that names what was wrong.
func (r *result) refused(t *testing.T, because string) {
	t.Helper()
	if r.code != 2 || !strings.Contains(r.output, because) {
		t.Errorf("exit code %d, want 2 and %q:\n%.600s", r.code, because, r.output)
	}
}

// listed wants an inventory with these packages.
func (r *result) listed(t *testing.T, names ...string) {
	t.Helper()
	if r.code != 0 {
		t.Errorf("exit code %d, want an inventory:\n%.600s", r.code, r.output)
	}
	for _, name := range names {
		if !strings.Contains(r.output, fmt.Sprintf("%q", name)) {
			t.Errorf("%s is not listed:\n%.600s", name, r.output)
		}
	}
}
