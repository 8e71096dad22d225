package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Variables of a child process that is killed.
const (
	envRoot, envAPI, envAfter, envWhat = "RUNECAST_TEST_ROOT", "RUNECAST_TEST_API", "RUNECAST_TEST_KILL_AFTER", "RUNECAST_TEST_WHAT"
)

// counting is a file system that stops or fails at its n-th change.
type counting struct {
	disk
	left int
	stop func(name string) error // what happens at that change and all after it
}

func (c *counting) change(name string) error {
	c.left--
	if c.left < 0 {
		return c.stop(name)
	}
	return nil
}

func (c *counting) create(name string, mode fs.FileMode) (*os.File, error) {
	if err := c.change("create " + name); err != nil {
		return nil, err
	}
	return c.disk.create(name, mode)
}

func (c *counting) write(file *os.File, text []byte) error {
	if c.left == 0 {
		_, _ = file.Write(text[:len(text)/2]) // a write that is cut short
	}
	if err := c.change("write " + file.Name()); err != nil {
		return err
	}
	return c.disk.write(file, text)
}

func (c *counting) chown(name string, uid, gid int) error {
	return errors.Join(c.change("chown "+name), c.disk.chown(name, uid, gid))
}

func (c *counting) chmod(name string, mode fs.FileMode) error {
	if err := c.change("chmod " + name); err != nil {
		return err
	}
	return c.disk.chmod(name, mode)
}

func (c *counting) rename(from, to string) error {
	if err := c.change("rename " + to); err != nil {
		return err
	}
	return c.disk.rename(from, to)
}

func (c *counting) remove(name string) error {
	if _, err := c.lstat(name); err == nil {
		if err := c.change("remove " + name); err != nil {
			return err
		}
	}
	return c.disk.remove(name)
}

func (c *counting) mkdir(name string, mode fs.FileMode) error {
	if err := c.change("mkdir " + name); err != nil {
		return err
	}
	return c.disk.mkdir(name, mode)
}

func (c *counting) sync(folder string) error {
	if err := c.change("sync " + folder); err != nil {
		return err
	}
	return c.disk.sync(folder)
}

// TestMain is also the process that is killed.
func TestMain(m *testing.M) {
	if os.Getenv(envWhat) == "" {
		os.Exit(m.Run()) //nolint:forbidigo // this is a main
	}
	os.Exit(child()) //nolint:forbidigo // this is a main
}

func child() int {
	root := os.Getenv(envRoot)
	after, err := strconv.Atoi(os.Getenv(envAfter))
	if err != nil {
		return 3
	}
	d, _, err := newDisk(root)
	if err != nil {
		return 3
	}
	n := testNode(root, nil)
	if url := os.Getenv(envAPI); url != "" {
		n.API = NewAPI(clientForChild(), url)
	}
	n.disk = &counting{disk: d, left: after, stop: func(name string) error {
		fmt.Println(name)
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if os.Getenv(envWhat) == "rollback" { // as when the user has waited long enough for an API server that does not come
		n.Waiting = func(time.Duration, time.Duration, error) { cancel() }
	}
	if os.Getenv(envWhat) == "restore" {
		_, err = n.Restore(ctx, false)
	} else {
		_, err = n.Configure(ctx, testOptions())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// killed runs the tool in a process of its own and kills it at a change of the file system. It tells which, "" when the tool
// came to its end before.
func killed(t *testing.T, what, root, api string, after int) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), envRoot+"="+root, envAPI+"="+api, envAfter+"="+strconv.Itoa(after), envWhat+"="+what)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &exit) && signalled(exit):
		return strings.TrimSpace(string(out))
	case errors.As(err, &exit) && exit.ExitCode() == 1 && what == "rollback" && strings.Contains(errs.String(), "rolled back"):
		return ""
	}
	t.Errorf("killed after %d changes: %v\n%s%s", after, err, out, errs.String())
	return ""
}

func signalled(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGKILL
}

// configured gives the files of a node that was set up in one go.
func configured(t *testing.T) map[string]string {
	t.Helper()
	root := newRoot(t)
	_, api := newServer(t, root)
	if _, err := testNode(root, api).Configure(t.Context(), testOptions()); err != nil {
		t.Fatal(err)
	}
	return snapshot(t, root)
}

func readManifest(t *testing.T, root string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// everyChange tries a kill at each change of the file system, several side by side as they wait more than they work, until one is not
// killed any more, and tells how many were. The trial gives where it was killed and what is wrong.
func everyChange(t *testing.T, try func(after int) (at, wrong string)) int {
	t.Helper()
	const workers = 8
	var next, killedAt atomic.Int64
	var over atomic.Bool
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for !over.Load() {
				at, wrong := try(int(next.Add(1)) - 1)
				if wrong != "" {
					t.Errorf("killed at %q: %s", at, wrong)
				}
				if at == "" || wrong != "" {
					over.Store(true)
					return
				}
				killedAt.Add(1)
			}
		})
	}
	group.Wait()
	return int(killedAt.Load())
}

// TestKilledAtEveryChange kills the tool at every change of the file system, while it configures, rolls back and restores. The manifest is
// whole each time, and the next run finishes, or undoes.
func TestKilledAtEveryChange(t *testing.T) {
	t.Parallel()
	was, is := snapshot(t, newRoot(t)), configured(t)
	_, edited, _ := strings.Cut(is[ManifestFile], "\n")
	for _, what := range []string{"configure", "rollback", "restore"} {
		for _, next := range []string{"configure", "restore"} {
			t.Run(what+" then "+next, func(t *testing.T) {
				t.Parallel()
				killedAt := everyChange(t, func(after int) (string, string) {
					root := newRoot(t)
					fake, api := newServer(t, root)
					if what == "restore" {
						if _, err := testNode(root, api).Configure(t.Context(), testOptions()); err != nil {
							return "", err.Error()
						}
					}
					if what == "rollback" {
						fake.set(func(m *manifest) bool { return m.flag != nil })
					}
					at := killed(t, what, root, api.server, after)
					text := readManifest(t, root)
					switch {
					case text != testManifest && text != edited:
						return at, "the manifest is\n" + text
					case at == "":
						return "", ""
					}
					fake.set(func(*manifest) bool { return false })
					wanted := is
					if next == "restore" {
						wanted = was
					}
					return at, finish(t, root, api, next, wanted)
				})
				if killedAt < 20 {
					t.Errorf("only %d changes of the file system were counted", killedAt)
				}
				t.Logf("killed at %d changes", killedAt)
			})
		}
	}
}

func (f *fakeServer) set(broken func(*manifest) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken, f.text = broken, nil
}

// finish runs the tool after one that was killed, and tells how the files differ from those that are wanted.
func finish(t *testing.T, root string, api *API, next string, wanted map[string]string) string {
	t.Helper()
	n := testNode(root, api)
	var err error
	if next == "configure" {
		_, err = n.Configure(t.Context(), testOptions())
	} else if _, err = n.Restore(t.Context(), false); errors.Is(err, ErrNotConfigured) {
		err = nil
	}
	if err != nil {
		return err.Error()
	}
	return differ(snapshot(t, root), wanted)
}
