package apiserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// process is a program that the test started. It ends with the test, however the test ends.
type process struct {
	name   string
	stdout string // file
	stderr string // file
	cmd    *exec.Cmd
	done   chan struct{} // closed when the program has ended
	err    error         // how it ended; set before done is closed
}

// startProcess runs a program in a process group of its own, so that a ctrl-C at the terminal reaches the test alone and the test
// stops the program in order. The kernel kills it when the test process dies by other means. Output goes to files in dir.
func startProcess(dir, name string, argv ...string) (*process, error) {
	p := &process{
		name:   name,
		stdout: filepath.Join(dir, name+".out"),
		stderr: filepath.Join(dir, name+".log"),
		done:   make(chan struct{}),
	}
	stdout, err := os.Create(p.stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	//nolint:noctx // it outlives the caller's context: stop ends it
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

// stop sends a signal, waits, and kills what is still there after ten seconds. It gives how the program ended.
func (p *process) stop(signal syscall.Signal) error {
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

// await polls ready until it gives nil. It fails at once when the program ends, and shows the end of its log.
func (p *process) await(ctx context.Context, limit time.Duration, ready func(context.Context) error) error {
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
			return fmt.Errorf("%s ended: %w\n%s", p.name, errors.Join(p.err, err), p.logEnd())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.name, limit, err, p.logEnd())
		case <-tick.C:
		}
	}
}

// logEnd gives the last lines that the program wrote.
func (p *process) logEnd() []byte {
	text, err := os.ReadFile(p.stderr)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

// processes is what has to be stopped, in the reverse order of starting.
type processes struct {
	mu   sync.Mutex
	all  []*process
	over bool // nothing starts any more
}

// add starts a program and remembers it.
func (ps *processes) add(dir, name string, argv ...string) (*process, error) {
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

// killAll ends everything at once; nothing that these programs hold is worth an orderly end.
func (ps *processes) killAll() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range slices.Backward(ps.all) {
		_ = p.stop(syscall.SIGKILL)
	}
	ps.all, ps.over = nil, true
}
