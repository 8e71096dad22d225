package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program that the test started. It ends with the test, however the test ends.
type Process struct {
	name   string
	stdout string // file
	Stderr string // file
	cmd    *exec.Cmd
	done   chan struct{} // closed when the program has ended
	err    error         // how it ended; set before done is closed
}

// startProcess runs a program in a process group of its own, so that a ctrl-C at the terminal reaches the test alone and the test
// stops the program in order. The kernel kills it when the test process dies by other means. Output goes to files in dir.
func startProcess(dir, name string, argv ...string) (*Process, error) {
	p := &Process{
		name:   name,
		stdout: filepath.Join(dir, name+".out"),
		Stderr: filepath.Join(dir, name+".log"),
		done:   make(chan struct{}),
	}
	stdout, err := os.Create(p.stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.Stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	//nolint:noctx // it outlives the caller's context: Stop ends it
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, stdout, stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that forked ends, so this goroutine keeps it until the program is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// Stop sends a signal, waits, and kills what is still there after ten seconds. It gives how the program ended.
func (p *Process) Stop(signal syscall.Signal) error {
	_ = syscall.Kill(-p.cmd.Process.Pid, signal) // an error means that it has ended already
	select {
	case <-p.done:
		return p.err
	case <-time.After(10 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s was still running 10 s after signal %v", p.name, signal)
	}
}

// Await polls ready until it gives nil. It fails at once when the program ends, and shows the end of its log.
func (p *Process) Await(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, err), p.LogEnd())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.name, limit, err, p.LogEnd())
		case <-tick.C:
		}
	}
}

// LogEnd gives the last lines that the program wrote.
func (p *Process) LogEnd() []byte {
	text, err := os.ReadFile(p.Stderr)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

// Processes is what has to be stopped, in the reverse order of starting.
type Processes struct {
	mu   sync.Mutex
	all  []*Process
	over bool // nothing starts any more
}

// Add starts a program and remembers it.
func (ps *Processes) Add(dir, name string, argv ...string) (*Process, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.over {
		return nil, fmt.Errorf("start %s: the test is being stopped", name)
	}
	p, err := startProcess(dir, name, argv...)
	if err != nil {
		return nil, err
	}
	ps.all = append(ps.all, p)
	return p, nil
}

// KillAll ends everything at once; nothing that these programs hold is worth an orderly end.
func (ps *Processes) KillAll() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range slices.Backward(ps.all) {
		_ = p.Stop(syscall.SIGKILL)
	}
	ps.all, ps.over = nil, true
}

// StopOnSignal cleans up after ctrl-C too, for which no cleanup of the testing package runs, and then ends the process by a signal.
func StopOnSignal(t *testing.T, ps *Processes, dir string) {
	t.Helper()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	over := make(chan struct{})
	t.Cleanup(func() { // after a signal it waits for the end of the process
		signal.Stop(signals)
		close(signals)
		<-over
	})
	go func() {
		if _, ok := <-signals; !ok {
			close(over) // the test ended in order
			return
		}
		ps.KillAll()
		for range 20 { // again and again, as the tests are still running and writing
			_ = os.RemoveAll(filepath.Dir(dir)) // with the directory that the testing package made around it
			<-time.After(10 * time.Millisecond)
		}
		signal.Reset(syscall.SIGTERM) // not SIGINT: a shell's background job may be told to ignore that
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
}
