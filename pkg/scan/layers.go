package scan

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/image"
	"github.com/runecast/runecast/pkg/inventory"
)

// layerReader gives what a layer contains: from the store, from a scan that is reading it, or by reading it.
type layerReader struct {
	images  Images
	tables  Tables // may be nil
	trust   image.TOCTrust
	store   LayerStore // may be nil
	keeper  *keeper
	limits  inventory.Options
	metrics Metrics
	log     logrus.FieldLogger

	mu      sync.Mutex
	running map[string]*layerFlight // by flightKey
}

type layerFlight struct {
	done  chan struct{}
	layer readLayer // once done is closed
	err   error
}

// readLayer is a layer and how it was read.
type readLayer struct {
	*inventory.Layer
	byTable bool
}

// layer gives one layer of an image, which is read once for all that need it from the same repository at the same time; progress
// is told of bytes that are read or were spared.
func (r *layerReader) layer(ctx context.Context, img *image.Image, l image.Layer, progress func(int64)) (readLayer, error) {
	key := r.key(img, l)
	for {
		r.mu.Lock()
		current, shared := r.running[key]
		if !shared {
			current = &layerFlight{done: make(chan struct{})}
			r.running[key] = current
		}
		r.mu.Unlock()
		if !shared {
			r.lead(ctx, current, img, l, progress)
			return current.layer, current.err
		}
		select {
		case <-current.done:
		case <-ctx.Done():
			return readLayer{}, ctx.Err()
		}
		if current.err == nil {
			r.metrics.CacheHit(HitLayer)
			progress(l.Size)
			return current.layer, nil
		}
		// The scan that was reading failed, perhaps because it was stopped or may not read from its repository: try ourselves.
	}
}

// key is that of the flight that reads a layer.
func (r *layerReader) key(img *image.Image, l image.Layer) string {
	if r.byTable(img, l) {
		return flightKey(img, tableKey(l))
	}
	return flightKey(img, l.Digest)
}

// lead reads a layer for all who wait for it.
func (r *layerReader) lead(ctx context.Context, current *layerFlight, img *image.Image, l image.Layer, progress func(int64)) {
	defer func() {
		r.mu.Lock()
		delete(r.running, r.key(img, l))
		r.mu.Unlock()
		close(current.done)
	}()
	current.err = guarded(r.log, "reading layer "+l.Digest, func() (err error) {
		current.layer, err = r.find(ctx, img, l, progress)
		return err
	})
}

// find gives a layer from the store, or reads it: by its table of contents where that is trusted and can be done.
func (r *layerReader) find(ctx context.Context, img *image.Image, l image.Layer, progress func(int64)) (readLayer, error) {
	keys := []string{l.Digest}
	if r.byTable(img, l) {
		keys = append(keys, tableKey(l))
	}
	for i, key := range keys { // what was read whole comes first
		if layer := r.stored(ctx, key); layer != nil {
			r.metrics.CacheHit(HitLayer)
			progress(l.Size)
			return readLayer{layer, i > 0}, nil
		}
	}
	if r.byTable(img, l) {
		layer, err := r.readTable(ctx, img, l)
		if err != nil {
			return readLayer{}, err
		}
		if layer != nil {
			progress(l.Size)
			r.put(ctx, tableKey(l), layer)
			return readLayer{layer, true}, nil
		}
	}
	begin := time.Now()
	layer, err := r.read(ctx, img, l, progress)
	if err != nil {
		return readLayer{}, err
	}
	r.metrics.LayerRead(l.Size, time.Since(begin))
	r.put(ctx, l.Digest, layer)
	return readLayer{layer, false}, nil
}

func (r *layerReader) put(ctx context.Context, key string, layer *inventory.Layer) {
	if r.store == nil {
		return
	}
	r.keeper.ask(ctx, "put layer", key, func(ctx context.Context) error { return r.store.PutLayer(ctx, key, layer) })
}

// stored gives nil where there is no layer, none that can be read, or one of another version.
func (r *layerReader) stored(ctx context.Context, key string) (layer *inventory.Layer) {
	if r.store == nil {
		return nil
	}
	answered := r.keeper.ask(ctx, "get layer", key, func(ctx context.Context) (err error) {
		layer, err = r.store.Layer(ctx, key)
		if errors.Is(err, inventory.ErrLayerFormat) {
			layer, err = nil, nil
		}
		return err
	})
	if !answered {
		return nil
	}
	return layer
}

// maxHosts is how many hosts for a registry a layer is read from before it is given up as wrong.
const maxHosts = 8

// read scans a layer's stream. A layer that came wrong from one host for its registry is scanned again from the next, and nothing is
// kept of what was found in the wrong one.
func (r *layerReader) read(ctx context.Context, img *image.Image, l image.Layer, progress func(int64)) (layer *inventory.Layer, err error) {
	var told int64 // bytes of the layer that progress knows of
	for try := 1; ; try++ {
		var read int64
		layer, err = r.readOnce(ctx, img, l, func(n int64) {
			if read += n; read > told {
				progress(read - told)
				told = read
			}
		})
		pull, ok := errors.AsType[*image.Error](err)
		if !ok || !pull.Elsewhere() || try == maxHosts || ctx.Err() != nil {
			return layer, err
		}
		r.log.WithError(err).WithField("layer", l.Digest).Warn("a layer came wrong and is read again from the registry's next host")
	}
}

// readOnce scans one stream. The scan's result counts only if the stream was true to its end.
func (r *layerReader) readOnce(ctx context.Context, img *image.Image, l image.Layer, progress func(int64)) (*inventory.Layer, error) {
	var streams []*stream
	layer, err := inventory.ScanLayer(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		body, err := r.images.OpenLayer(ctx, img, l)
		if err != nil {
			return nil, err
		}
		s := &stream{body: body, drain: func() bool { return ctx.Err() == nil }, progress: progress}
		if len(streams) > 0 { // a second pass brings nothing new and may stop where it likes
			s.progress, s.drain = func(int64) {}, func() bool { return false }
		}
		streams = append(streams, s)
		return s, nil
	}, r.limits)
	for _, s := range streams {
		if s.err != nil { // wrong bytes explain whatever the scan made of them
			return nil, s.err
		}
	}
	return layer, err
}

// stream is a layer's tar on its way to the inventory. Closing reads it to its end, because only there a wrong digest shows.
type stream struct {
	body     io.ReadCloser
	drain    func() bool // whether closing shall read to the end
	progress func(int64)
	counted  int64
	ended    bool
	err      error // what the stream ended with, other than io.EOF
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	if err != nil {
		s.ended = true
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
	}
	if counter, ok := s.body.(interface{ BytesRead() int64 }); ok {
		if read := counter.BytesRead(); read > s.counted {
			s.progress(read - s.counted)
			s.counted = read
		}
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error {
	if !s.ended && s.drain() {
		_, _ = io.Copy(io.Discard, struct{ io.Reader }{s})
	}
	return s.body.Close()
}
