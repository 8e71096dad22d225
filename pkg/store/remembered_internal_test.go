package store

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/web"
)

func TestRemembered(t *testing.T) {
	t.Parallel()
	r, q := &remembered{}, deniedQuery{deniedRule, 1, 10}
	var reads atomic.Int64
	read := func(rows int64, fault error) deniedRead {
		return func(ctx context.Context) ([]web.DeniedCount, int64, error) {
			if ctx.Err() != nil {
				return nil, 0, ctx.Err()
			}
			return []web.DeniedCount{{Name: "a", Scans: int(reads.Add(1))}}, rows, fault
		}
	}
	expect := func(what string, q deniedQuery, read deniedRead, want int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // what goes on behind the caller outlives the request
		list, err := r.of(ctx, q, read)
		if err != nil || list[0].Scans != want {
			t.Errorf("%s: %v, %v; want %d", what, list, err, want)
			return
		}
		list[0].Scans = 99 // the caller's own
	}
	age := func(by time.Duration) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lists[q].at = time.Now().Add(-by)
	}
	until := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); reads.Load() < n; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d reads, want %d", reads.Load(), n)
			}
		}
	}
	expect("the first", q, read(manyRows, nil), 1)
	expect("the second", q, read(manyRows, nil), 1)
	expect("another query", deniedQuery{deniedRule, 2, 10}, read(manyRows, nil), 2)
	age(2 * rememberedBy)
	expect("after a minute, and it cannot be read", q, read(manyRows, errors.New("no")), 1)
	until(3)
	expect("after a minute", q, read(manyRows, nil), 1)
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		if list, err := r.of(t.Context(), q, read(manyRows, nil)); err != nil || list[0].Scans > 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not read anew")
		}
	}
	age(2 * oldestList)
	before := reads.Load()
	expect("after ten minutes", q, read(manyRows-1, nil), int(before)+1)
	if _, known := r.lists[q]; known {
		t.Error("a list of few rows is remembered")
	}
	if _, err := r.of(t.Context(), q, read(manyRows-1, errors.New("no"))); err == nil {
		t.Error("a failure is hidden")
	}
}
