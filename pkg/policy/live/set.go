package live

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
)

const (
	defaultInterval = 2 * time.Second
	lookTimeout     = 5 * time.Second // for one look at the database
	// keepEnded is how long an exemption that has ended is part of the effective policies, so that people are told that it ended.
	keepEnded = 30 * 24 * time.Hour
)

// Options are the parts of a Set. Base, Store and Log must be given.
type Options struct {
	Base     *policy.Set // those that cannot be changed
	Store    Store
	Log      logrus.FieldLogger
	Interval time.Duration    // between looks at the counter; default 2 s
	Now      func() time.Time // default time.Now
}

// Set is the policies of a running server. It is safe for concurrent use; readers never wait.
type Set struct {
	Options
	current  atomic.Pointer[state]
	failure  atomic.Pointer[error] // of the last look; nil: it worked
	failures atomic.Int64

	loading sync.Mutex      // one reload at a time, so that an older state never follows a newer one
	kept    map[string]bool // revisions whose texts are stored
}

// state is one set, which never changes.
type state struct {
	counter    int64
	list       []*policy.Policy // effective
	byID       map[string]*Entry
	entries    []*Entry
	exemptions []Exemption // that were not removed
	problems   []string
	texts      bool // all are stored
}

// Entry is a policy of the set. It must not be changed.
type Entry struct {
	Defined    *policy.Policy // as the program, the file or the stored text has it
	Effective  *policy.Policy // what judges: with the stored exemptions
	Stored     *Policy        // nil: it cannot be changed here
	Exemptions []Exemption    // stored ones that belong to it, active and expired
}

// New makes a Set of the base alone. Reload or Run reads the rest.
func New(options Options) *Set {
	if options.Interval <= 0 {
		options.Interval = defaultInterval
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &Set{Options: options, kept: map[string]bool{}}
	s.current.Store(s.build(-1, nil, nil))
	return s
}

// Get finds the effective policy of an id.
func (s *Set) Get(id string) (*policy.Policy, bool) {
	if e, ok := s.current.Load().byID[id]; ok {
		return e.Effective, true
	}
	return nil, false
}

// List gives the effective policies: the built-in ones, those of files, then stored ones by id.
func (s *Set) List() []*policy.Policy { return slices.Clone(s.current.Load().list) }

// Entries gives all that there is to know of the policies, in the order of List.
func (s *Set) Entries() []*Entry { return slices.Clone(s.current.Load().entries) }

// Entry gives one of Entries; nil where there is none of that id.
func (s *Set) Entry(id string) *Entry { return s.current.Load().byID[id] }

// ActiveExemptions gives the stored exemptions that were not removed, oldest first, those that have ended too.
func (s *Set) ActiveExemptions() []Exemption { return slices.Clone(s.current.Load().exemptions) }

// Problems says which stored policies and exemptions cannot be used, and why.
func (s *Set) Problems() []string { return slices.Clone(s.current.Load().problems) }

// Err says why the database could not be read at the last look, so that the policies may be old; nil where it could.
func (s *Set) Err() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Failures is how many looks at the database failed.
func (s *Set) Failures() int64 { return s.failures.Load() }

// Run looks for changes by others at every interval until ctx ends, and gives the cause.
func (s *Set) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		s.look(ctx)
	}
}

// look reloads where something changed.
func (s *Set) look(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	counter, err := s.Store.PolicyCounter(limited)
	if now := s.current.Load(); err == nil && (counter != now.counter || !now.texts) {
		err = s.load(limited)
	}
	if ctx.Err() == nil {
		s.note(err)
	}
}

// Reload reads policies and exemptions. After an error the last known ones hold.
func (s *Set) Reload(ctx context.Context) error {
	err := s.load(ctx)
	s.note(err)
	return err
}

// note keeps how a look went, and tells the log when that changes.
func (s *Set) note(err error) {
	if err == nil {
		if s.failure.Swap(nil) != nil {
			s.Log.Info("policies can be read from the database again")
		}
		return
	}
	s.failures.Add(1)
	if s.failure.Swap(&err) == nil {
		s.Log.WithError(err).Error("policies cannot be read from the database: the last known ones hold")
	}
}

func (s *Set) load(ctx context.Context) error {
	s.loading.Lock()
	defer s.loading.Unlock()
	// The counter comes first: what changes meanwhile is loaded again at the next look.
	counter, err := s.Store.PolicyCounter(ctx)
	if err != nil {
		return err //nolint:wrapcheck // it says all there is to say
	}
	stored, err := s.Store.Policies(ctx)
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	exemptions, err := s.Store.Exemptions(ctx, false)
	if err != nil {
		return err //nolint:wrapcheck // likewise
	}
	next := s.build(counter, stored, exemptions)
	if before := s.current.Load(); !slices.Equal(before.problems, next.problems) {
		for _, problem := range next.problems {
			s.Log.Error(problem)
		}
	}
	// A text that cannot be stored now does not keep a changed policy from judging: it is tried again at the next look.
	textErr := s.keepTexts(ctx, next)
	next.texts = textErr == nil
	s.current.Store(next)
	if textErr != nil {
		return errors.Join(errors.New("the texts of policies cannot be stored"), textErr)
	}
	return nil
}
