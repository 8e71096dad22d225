package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	missInterval = 100 * time.Millisecond // at least between two refreshes that unknown tokens cause
	loadTimeout  = time.Second            // for one look at the store
)

var errNotRead = errors.New("the API tokens have not been read yet")

// health is how the last look at the store ended.
type health struct{ err error }

// Healthy gives nil while the tokens in memory are those of the store, else why they are not. Known tokens go on working in
// the meantime, until they expire; a revocation is not seen.
func (a *Authenticator) Healthy() error { return a.health.Load().err }

// Loaded tells whether tokens were read at all: before that nobody can be authenticated.
func (a *Authenticator) Loaded() bool { return a.current.Load() != nil }

// flight is one refresh that any number of callers wait for.
type flight struct {
	done chan struct{}
	err  error // readable once done is closed
}

// refreshFor waits for a refresh that begins after the call, as one that is under way may have read the store before the
// caller's token was in it. The refresh belongs to no caller: one that gives up does not end it for the others.
func (a *Authenticator) refreshFor(ctx context.Context) error {
	f := a.joinNext(ctx)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// joinNext gives the refresh that comes next, and starts it when nobody has. So at most one refresh runs and one waits,
// however many callers present unknown tokens.
func (a *Authenticator) joinNext(ctx context.Context) *flight {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		return a.next
	}
	f := &flight{done: make(chan struct{})}
	a.next = f
	go a.fly(context.WithoutCancel(ctx), f)
	return f
}

// fly runs one refresh that unknown tokens caused, missInterval after the one before at the earliest.
func (a *Authenticator) fly(ctx context.Context, f *flight) {
	a.mu.Lock()
	pause := time.NewTimer(missInterval - time.Since(a.began))
	a.mu.Unlock()
	defer pause.Stop()
	<-pause.C
	<-a.load
	a.mu.Lock()
	a.next = nil // whoever comes from here on needs a later one
	a.began = time.Now()
	a.mu.Unlock()

	f.err = a.read(ctx)
	close(f.done)
	a.load <- struct{}{}
}

// refreshNow is the refresh of the background loop.
func (a *Authenticator) refreshNow(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-a.load:
	}
	defer func() { a.load <- struct{}{} }()
	return a.read(ctx)
}

// read replaces the snapshot by what the store has, and keeps the old one when the store fails. Its caller holds a.load.
func (a *Authenticator) read(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	tokens, err := a.store.Tokens(limited)
	if err != nil {
		if ctx.Err() != nil {
			return err // we are being stopped, which says nothing about the store
		}
		err = fmt.Errorf("read API tokens: %w", err)
		a.noteHealth(err)
		return err
	}
	fresh, damaged := newSnapshot(tokens, a.clock(), &a.usage)
	a.current.Store(fresh)
	a.noteHealth(damaged)
	return nil
}

// noteHealth keeps how the last look at the store ended and logs the changes from good to bad and back, not each failure.
func (a *Authenticator) noteHealth(err error) {
	before := a.health.Swap(&health{err: err}).err
	switch {
	case err != nil && (before == nil || errors.Is(before, errNotRead)):
		a.log.WithError(err).Warn("API tokens cannot be refreshed: known ones go on working, new and revoked ones are not seen")
	case err == nil && before != nil && !errors.Is(before, errNotRead):
		a.log.Info("API tokens are refreshed again")
	}
}
