package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

// snapshot is the set of live tokens at the time of one look at the store. It is never changed.
type snapshot struct {
	entries []entry
}

// entry is one live token.
type entry struct {
	hash      [sha256.Size]byte
	principal Principal
	expires   time.Time // zero: never
	usage     *usage
}

// newSnapshot keeps the tokens that live at a time. The error names those whose hash is damaged; they are left out, because
// one bad row must not lock out everybody else.
func newSnapshot(tokens []Token, at time.Time, table *usageTable) (*snapshot, error) {
	s := &snapshot{entries: make([]entry, 0, len(tokens))}
	var damaged error
	for i := range tokens {
		t := &tokens[i]
		if t.Status(at) != StatusLive {
			continue
		}
		e := entry{
			principal: Principal{TokenID: t.ID, Name: t.Name, AccessType: t.AccessType},
			expires:   t.ExpiresAt,
			usage:     table.of(t.ID, t.LastUsedAt),
		}
		if len(t.Hash) != len(e.hash) {
			damaged = fmt.Errorf("token %s has a damaged hash of %d bytes: revoke it and issue another", t.ID, len(t.Hash))
			continue
		}
		copy(e.hash[:], t.Hash)
		s.entries = append(s.entries, e)
	}
	return s, damaged
}

// find gives the token with a hash, nil when there is none. It compares with every entry and always to the end, so that its
// duration tells nothing about the stored hashes.
func (s *snapshot) find(hash *[sha256.Size]byte) *entry {
	if s == nil {
		return nil
	}
	match := -1
	for i := range s.entries {
		equal := subtle.ConstantTimeCompare(hash[:], s.entries[i].hash[:])
		match = subtle.ConstantTimeSelect(equal, i, match)
	}
	if match < 0 {
		return nil
	}
	return &s.entries[match]
}

// liveAt tells whether there is a token and it has not expired since the snapshot was taken.
func (e *entry) liveAt(at time.Time) bool {
	return e != nil && (e.expires.IsZero() || at.Before(e.expires))
}
