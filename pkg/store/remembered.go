package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

const (
	manyRows     = 10_000           // from which on their sum is worth being remembered
	rememberedBy = time.Minute      // then it is read anew, behind the caller who gets the one of before
	oldestList   = 10 * time.Minute // that anybody gets
	renewalTime  = 30 * time.Second // at most, for reading behind a caller
)

// deniedQuery asks for a list of what denied most.
type deniedQuery struct {
	kind  string
	since int64
	top   int
}

// deniedRead gives such a list, and of how many rows it is the sum.
type deniedRead func(context.Context) ([]web.DeniedCount, int64, error)

// remembered keeps the lists of what denied most, where they are sums of so many rows that they take long: nobody waits for one that
// was read within the last ten minutes. Others are read each time.
type remembered struct {
	mu    sync.Mutex
	lists map[deniedQuery]*rememberedList
}

type rememberedList struct {
	list    []web.DeniedCount
	at      time.Time
	renewed bool // somebody reads it anew
}

// of gives the list that is remembered, or reads it. Callers at the same time may both read one that nobody has read yet.
func (r *remembered) of(ctx context.Context, q deniedQuery, read deniedRead) ([]web.DeniedCount, error) {
	if list, ok := r.known(ctx, q, read); ok {
		return list, nil
	}
	return r.read(ctx, q, read)
}

// known gives the list that is remembered, and has it read anew where it is time to.
func (r *remembered) known(ctx context.Context, q deniedQuery, read deniedRead) ([]web.DeniedCount, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.lists[q]
	if !ok || time.Since(known.at) >= oldestList {
		return nil, false
	}
	if time.Since(known.at) >= rememberedBy && !known.renewed {
		known.renewed = true
		go func() {
			behind, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalTime)
			defer cancel()
			if _, err := r.read(behind, q, read); err != nil { // the next caller tries again, and is told after ten minutes
				r.mu.Lock()
				defer r.mu.Unlock()
				known.renewed = false
			}
		}()
	}
	return slices.Clone(known.list), true
}

func (r *remembered) read(ctx context.Context, q deniedQuery, read deniedRead) ([]web.DeniedCount, error) {
	begin := time.Now()
	list, rows, err := read(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if rows < manyRows {
		delete(r.lists, q)
		return list, nil
	}
	if r.lists == nil || len(r.lists) > 100 {
		r.lists = map[deniedQuery]*rememberedList{}
	}
	r.lists[q] = &rememberedList{list: slices.Clone(list), at: begin}
	return list, nil
}
