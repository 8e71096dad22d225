package ui

import (
	"fmt"
	"net/http"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/web"
)

// historyScans is how many scans of a reference are looked at, the newest.
const historyScans = 50

// maxMoves is how many digests of a reference are listed.
const maxMoves = 10

// history is what other scans of the same reference tell.
type history struct {
	Newest string // id of the newest scan of it; "" where this is it
	Moves  []move // the digests that the reference had, where there was more than one; the newest first
}

// move is a digest that a reference had.
type move struct {
	Digest  string
	Scan    string    // a scan that saw it
	At      time.Time // when, last
	Present bool      // it is the one of this scan
}

// history looks at the newest scans of an image's reference.
func (s *server) history(r *http.Request, d *admission.Decision, image *admission.DecisionImage) (history, error) {
	var h history
	list, _, err := s.Store.Scans(r.Context(), &web.ScanQuery{Image: image.Reference, Limit: historyScans})
	if err != nil {
		return h, fmt.Errorf("read other scans of the image: %w", err)
	}
	seen := map[string]bool{}
	first := true
	for i := range list {
		other := sameImage(&list[i], image)
		if other == nil {
			continue
		}
		if first && list[i].ID != d.ID {
			h.Newest = list[i].ID
		}
		if first = false; other.Digest != "" && !seen[other.Digest] && len(h.Moves) < maxMoves {
			seen[other.Digest] = true
			h.Moves = append(h.Moves, move{Digest: other.Digest, Scan: list[i].ID, At: list[i].At, Present: other.Digest == image.Digest})
		}
	}
	if len(h.Moves) < 2 && (len(h.Moves) == 0 || h.Moves[0].Present) {
		h.Moves = nil
	}
	return h, nil
}

// sameImage gives what another scan says of the same reference on the same platform; nil where it says nothing.
func sameImage(d *admission.Decision, image *admission.DecisionImage) *admission.DecisionImage {
	for i := range d.Images {
		other := &d.Images[i]
		if other.Reference == image.Reference && (other.Platform == image.Platform || other.Platform == "" || image.Platform == "") {
			return other
		}
	}
	return nil
}
