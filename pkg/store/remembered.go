package store

import (
	"slices"
	"sync"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

const (
	slowRead     = 20 * time.Millisecond // from which on an answer is worth being remembered
	rememberedBy = time.Minute
)

// deniedQuery asks for a list of what denied most.
type deniedQuery struct {
	kind  string
	since int64
	top   int
}

// remembered keeps the lists of what denied most for a minute, where they are sums of so many rows that they take long. Others are read
// each time.
type remembered struct {
	mu    sync.Mutex
	lists map[deniedQuery]rememberedList
}

type rememberedList struct {
	list []web.DeniedCount
	at   time.Time
}

// of gives the list that is remembered, or reads it. Callers at the same time may both read.
func (r *remembered) of(q deniedQuery, read func() ([]web.DeniedCount, error)) ([]web.DeniedCount, error) {
	begin := time.Now()
	r.mu.Lock()
	known, ok := r.lists[q]
	r.mu.Unlock()
	if ok && begin.Sub(known.at) < rememberedBy {
		return slices.Clone(known.list), nil
	}
	list, err := read()
	if err != nil || time.Since(begin) < slowRead {
		return list, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lists == nil || len(r.lists) > 100 {
		r.lists = map[deniedQuery]rememberedList{}
	}
	r.lists[q] = rememberedList{slices.Clone(list), begin}
	return list, nil
}
