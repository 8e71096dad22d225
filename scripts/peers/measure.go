package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// program is one way to look at an image, as a command line.
type program struct {
	name string
	args []string // the first is the program's path
	env  []string
	okay []int  // exit codes beside 0 that are a success
	cold string // directory to empty before each run
}

// cost is what a run took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory
}

// output runs a program and gives what it prints.
func (p *program) output(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	_, err := p.run(ctx, &out)
	return out.Bytes(), err
}

// measure runs a program and gives its cost.
func (p *program) measure(ctx context.Context) (cost, error) { return p.run(ctx, nil) }

// run runs a program. out takes what it prints; nil: nothing does.
func (p *program) run(ctx context.Context, out io.Writer) (cost, error) {
	if p.cold != "" {
		if err := os.RemoveAll(p.cold); err != nil {
			return cost{}, err
		}
		if err := os.MkdirAll(p.cold, 0o750); err != nil {
			return cost{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil && !slices.Contains(p.okay, cmd.ProcessState.ExitCode()) {
		return cost{}, fmt.Errorf("%s: %w\n%s", p.name, err, tail(errs.Bytes()))
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("%s: no resource usage on this system", p.name)
	}
	return cost{
		wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak: usage.Maxrss << 10,
	}, nil
}

func tail(b []byte) []byte {
	const most = 2000
	return b[max(0, len(b)-most):]
}

// median of each figure by itself.
func median(costs []cost) cost {
	middle := func(value func(cost) int64) int64 {
		values := make([]int64, 0, len(costs))
		for _, c := range costs {
			values = append(values, value(c))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return cost{
		wall: time.Duration(middle(func(c cost) int64 { return int64(c.wall) })),
		cpu:  time.Duration(middle(func(c cost) int64 { return int64(c.cpu) })),
		peak: middle(func(c cost) int64 { return c.peak }),
	}
}
