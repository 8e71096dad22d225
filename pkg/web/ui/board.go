package ui

import (
	"sync"

	"github.com/runecast/runecast/pkg/scan"
)

// Board is where the scanner tells how far it is with the images that somebody looks at. The zero value is ready.
type Board struct {
	mu    sync.Mutex
	lines map[string]*line // by reference
}

// line is what the board has of one image.
type line struct {
	watchers int
	known    bool
	at       scan.Progress
}

// Tell is for scan.Options.Progress: it takes note where somebody looks.
func (b *Board) Tell(p scan.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.lines[p.Image]; l != nil {
		l.known, l.at = true, p
	}
}

// watch looks at images until its end.
type watch struct {
	board      *Board
	references []string
}

func (b *Board) watch(references []string) *watch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lines == nil {
		b.lines = map[string]*line{}
	}
	for _, reference := range references {
		if b.lines[reference] == nil {
			b.lines[reference] = &line{}
		}
		b.lines[reference].watchers++
	}
	return &watch{b, references}
}

// of gives how far an image is, where the scanner told.
func (w *watch) of(reference string) (scan.Progress, bool) {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	l := w.board.lines[reference]
	if l == nil {
		return scan.Progress{}, false
	}
	return l.at, l.known
}

func (w *watch) end() {
	w.board.mu.Lock()
	defer w.board.mu.Unlock()
	for _, reference := range w.references {
		if l := w.board.lines[reference]; l != nil {
			if l.watchers--; l.watchers <= 0 {
				delete(w.board.lines, reference)
			}
		}
	}
}
