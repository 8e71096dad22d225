package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// piece is a part of a layer that one request asks for, the end not included.
type piece struct{ from, to int64 }

// pieceReader reads the pieces of a layer in their order, some ahead. It may skip, but not go back.
type pieceReader struct {
	pieces  []piece
	results []chan fetched // of the pieces that are asked for
	launch  func(p piece, to chan<- fetched)
	stop    func()

	current int // piece
	at      int64
	data    []byte // of the current piece, once it is there
}

type fetched struct {
	data []byte
	err  error
}

func newPieceReader(ctx context.Context, pieces []piece, fetch func(ctx context.Context, from, to int64) ([]byte, error)) *pieceReader {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	r := &pieceReader{pieces: pieces}
	r.launch = func(p piece, to chan<- fetched) {
		running.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					to <- fetched{err: fmt.Errorf("reading a part of a layer panicked: %v", r)}
				}
			}()
			data, err := fetch(ctx, p.from, p.to)
			to <- fetched{data, err}
		})
	}
	r.stop = func() {
		cancel()
		running.Wait()
	}
	return r
}

// close ends the requests that are under way.
func (r *pieceReader) close() { r.stop() }

// seek goes to a place of the layer that lies in a piece.
func (r *pieceReader) seek(to int64) error {
	if to < r.at {
		return errors.New("parts of a layer are read backwards")
	}
	r.at = to
	for r.current < len(r.pieces) && r.pieces[r.current].to <= to {
		r.next()
	}
	if r.current == len(r.pieces) || r.pieces[r.current].from > to {
		return errors.New("a part of a layer is read that was not planned")
	}
	return nil
}

// next gives up the current piece.
func (r *pieceReader) next() {
	if r.current < len(r.results) {
		r.results[r.current] = nil
	}
	r.current++
	r.data = nil
}

// Read implements io.Reader. It ends where the piece that follows is elsewhere.
func (r *pieceReader) Read(p []byte) (int, error) {
	if r.current < len(r.pieces) && r.at == r.pieces[r.current].to {
		r.next()
	}
	if r.current == len(r.pieces) || r.at < r.pieces[r.current].from {
		return 0, io.EOF
	}
	if r.data == nil {
		for n := len(r.results); n < min(r.current+tocAhead, len(r.pieces)); n++ {
			result := make(chan fetched, 1)
			r.results = append(r.results, result)
			if n >= r.current { // else it was skipped before it was asked for
				r.launch(r.pieces[n], result)
			}
		}
		got := <-r.results[r.current]
		if got.err != nil {
			return 0, got.err
		}
		r.data = got.data
	}
	n := copy(p, r.data[r.at-r.pieces[r.current].from:])
	r.at += int64(n)
	return n, nil
}
