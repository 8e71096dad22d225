package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// lab is all that a comparison needs: images in a registry and in archives, and the data in each program's form.
type lab struct {
	settings
	shelf
	server *exec.Cmd
	stdin  io.Closer // the server ends with it
}

// shelf says what the registry has.
type shelf struct {
	Host   string          `json:"host"`
	Images map[string]size `json:"images"`
}

type size struct {
	Layers int   `json:"layers"`
	Bytes  int64 `json:"bytes"` // compressed
}

// newLab starts the registry in a process of its own: what it takes is not counted, and a small parent does not show in its
// children's peak memory, which begins with what the parent has when they start.
func newLab(ctx context.Context, s *settings) (*lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &lab{settings: *s, server: exec.CommandContext(ctx, self, "serve", s.work, s.bin)}
	l.server.Stderr = os.Stderr
	stdin, inErr := l.server.StdinPipe()
	stdout, outErr := l.server.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return nil, err
	}
	l.stdin = stdin
	if err := l.server.Start(); err != nil {
		return nil, fmt.Errorf("start the registry: %w", err)
	}
	if err := json.NewDecoder(stdout).Decode(&l.shelf); err != nil {
		l.close()
		return nil, fmt.Errorf("the registry did not start: %w", err)
	}
	return l, nil
}

func (l *lab) close() {
	_ = l.stdin.Close()
	_ = l.server.Wait()
}

func (l *lab) reference(image string) string { return l.Host + "/" + image + ":1" }

func (l *lab) archive(image string) string { return archivePath(l.work, image) }

func archivePath(work, image string) string { return filepath.Join(work, image+".tar") }

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
