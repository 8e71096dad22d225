package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// serve makes the images, says what there is, and serves them until its standard input ends.
func serve(ctx context.Context, work, bin string) error {
	images, err := makeImages(ctx, work, bin)
	if err != nil {
		return fmt.Errorf("make images: %w", err)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	blobs := filepath.Join(work, "blobs")
	if failed := os.MkdirAll(blobs, 0o750); failed != nil {
		return failed
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	server := &http.Server{
		Handler:           registry.New(registry.Logger(quiet), registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs))),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()
	s := shelf{Host: listener.Addr().String(), Images: map[string]size{}}
	for _, image := range sorted(images) {
		if s.Images[image], err = store(ctx, work, s.Host, image, images[image]); err != nil {
			return fmt.Errorf("image %s: %w", image, err)
		}
	}
	if failed := json.NewEncoder(os.Stdout).Encode(s); failed != nil {
		return failed
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// store puts an image into the registry and into an archive for osv-scanner.
func store(ctx context.Context, work, host, title string, image v1.Image) (size, error) {
	tag, err := name.NewTag(host + "/" + title + ":1")
	if err != nil {
		return size{}, err
	}
	if failed := remote.Write(tag, image, remote.WithContext(ctx)); failed != nil {
		return size{}, failed
	}
	named, err := name.NewTag("peers.example/" + title + ":1")
	if err != nil {
		return size{}, err
	}
	if failed := tarball.WriteToFile(archivePath(work, title), named, image); failed != nil {
		return size{}, failed
	}
	layers, err := image.Layers()
	s := size{Layers: len(layers)}
	for _, layer := range layers {
		n, sizeErr := layer.Size()
		if sizeErr != nil {
			return size{}, sizeErr
		}
		s.Bytes += n
	}
	return s, err
}
