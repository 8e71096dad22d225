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
	"syscall"
	"testing"
	"time"
)

const (
	maxMemory = 200 << 20        // of the whole process, at its peak
	maxWork   = 10 * time.Second // of processor time, which tells more than the clock does on a busy machine
	limit     = 2 * time.Minute  // by the clock; more is a hang
)

// result is how a scan ended.
type result struct {
	code   int
	output string // of both streams
	memory int64  // bytes resident at the peak
	took   time.Duration
	work   time.Duration // of processors
}

// bench runs the program in directories of its own, and as a user of its own where that can be.
type bench struct {
	path string
	root string
	user int // 0: the one that runs the tests
}

// newBench builds the program once. What a user who owns nothing else writes can be found.
func newBench(t *testing.T) *bench {
	t.Helper()
	root, err := os.MkdirTemp("", "runecast-hostile-") //nolint:usetesting // another user has to get through to it
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	must(t, os.Chmod(root, 0o711))
	b := &bench{path: filepath.Join(root, "runecast"), root: root}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", b.path, "github.com/runecast/runecast/cmd/runecast").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	if os.Geteuid() == 0 {
		b.user = 1<<30 + os.Getpid()
	} else {
		t.Log("not run by root: files outside of the scans' directories are looked for by their names alone")
	}
	return b
}

// wroteOutside lists what was written anywhere but in the scans' directories, which only directories that all may write to can have.
func (b *bench) wroteOutside(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm", "/run/lock"} {
		_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || path == b.root {
				return fs.SkipDir
			}
			info, err := entry.Info()
			if err != nil {
				return nil //nolint:nilerr // somebody else's, and gone
			}
			if status, ok := info.Sys().(*syscall.Stat_t); entry.Name() == escape || ok && b.user != 0 && int(status.Uid) == b.user {
				found = append(found, path)
			}
			return nil
		})
	}
	for _, dir := range []string{"/", "/etc", "."} {
		if _, err := os.Lstat(filepath.Join(dir, escape)); err == nil {
			found = append(found, filepath.Join(dir, escape))
		}
	}
	return found
}

// scan scans an image with the program and checks what holds for every image.
func (b *bench) scan(t *testing.T, reference string, args ...string) result {
	t.Helper()
	root, err := os.MkdirTemp(b.root, "scan-") //nolint:usetesting // as above
	must(t, err)
	dirs := map[string]string{"": root}
	for _, name := range []string{"data", "tmp", "work", "home"} {
		dirs[name] = filepath.Join(root, name)
		must(t, os.Mkdir(dirs[name], 0o700))
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, append([]string{"scan", reference, "-o", "spdx", "--log-level", "error", "--data-dir", dirs["data"]}, args...)...)
	cmd.Dir, cmd.Env = dirs["work"], []string{"HOME=" + dirs["home"], "TMPDIR=" + dirs["tmp"], "PATH=/nonexistent"}
	if b.user != 0 {
		for _, dir := range dirs {
			must(t, os.Chown(dir, b.user, b.user))
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(b.user), Gid: uint32(b.user)}}
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	must(t, cmd.Start())
	ended, peak := make(chan error, 1), int64(0)
	go func() { ended <- cmd.Wait() }()
	for waiting := true; waiting; {
		select {
		case err = <-ended:
			waiting = false
		case <-time.After(2 * time.Millisecond):
			peak = max(peak, resident(cmd.Process.Pid))
		}
	}
	r := result{code: cmd.ProcessState.ExitCode(), output: output.String(), took: time.Since(began), memory: peak}
	r.work = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	t.Logf("exit code %d after %s, of which %s of work, %d MB at the peak: %.600s", r.code, r.took.Round(time.Millisecond), r.work.Round(time.Millisecond), r.memory>>20, said(r.output))
	if ctx.Err() != nil || r.code < 0 {
		t.Fatalf("it did not end by itself: %v", err)
	}
	if strings.Contains(r.output, "panic:") || strings.Contains(r.output, "goroutine ") {
		t.Errorf("it panicked:\n%.2000s", r.output)
	}
	if r.memory > maxMemory {
		t.Errorf("it took %d MB of memory, more than %d", r.memory>>20, maxMemory>>20)
	}
	if r.work > maxWork {
		t.Errorf("it worked for %s, more than %s", r.work, maxWork)
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
