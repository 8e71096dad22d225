package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
)

// floorName is the least that any program must do: pull, decompress, walk the tar.
const floorName = "gunzip+tar"

// floor runs this program again, so that it is measured as a process like the others.
func (l *lab) floor(image string) program {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return program{name: floorName, args: []string{self, "floor", l.reference(image)}}
}

// walk reads all layers of an image, three at a time as runecast does.
func walk(ctx context.Context, reference string) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(3)
	for _, layer := range layers {
		group.Go(func() error { return walkLayer(layer) })
	}
	return group.Wait()
}

func walkLayer(layer v1.Layer) error {
	stored, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer func() { _ = stored.Close() }() // only read from
	plain, err := gzip.NewReader(stored)
	if err != nil {
		return fmt.Errorf("gunzip: %w", err)
	}
	entries := tar.NewReader(plain)
	for {
		if _, err := entries.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("tar: %w", err)
		}
	}
}
