package ui

import (
	"errors"
	"net/http"

	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/policy/live"
)

// impactPart is what pages show of a preview.
type impactPart struct{ *impact.Result }

// Words names a change for people.
func (impactPart) Words(c impact.Change) string {
	switch c {
	case impact.NewlyDenied:
		return "newly denied"
	case impact.NewlyAllowed:
		return "newly allowed"
	case impact.VerdictChanges:
		return "other verdict, let in as before"
	case impact.StillDenied:
		return "still denied"
	}
	return string(c)
}

// previewRows is how many images of each change a page lists.
const previewRows = 100

// impact makes a preview.
func (s *server) impact(r *http.Request, pairs ...impact.Pair) (*impactPart, error) {
	result, err := s.Preview.Preview(r.Context(), &impact.Request{Pairs: pairs, Rows: previewRows})
	if errors.Is(err, impact.ErrBusy) {
		return nil, problem{http.StatusServiceUnavailable, sentence(impact.ErrBusy)}
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it says all there is to say
	}
	return &impactPart{result}, nil
}

func deletionOf(e *live.Entry) impact.Pair { return impact.Pair{Before: e.Effective} }
