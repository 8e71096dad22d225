package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
)

const (
	// DefaultUpdateInterval is how often an Updater looks for a newer index.
	DefaultUpdateInterval = time.Hour
	// DefaultUpdateTimeout bounds one update.
	DefaultUpdateTimeout = 30 * time.Minute

	firstRetry = time.Minute // after a failed update; doubled for each further one, up to the interval
	maxReason  = 1000        // runes of an error that are kept for people
)

// UpdateFunc replaces an index file by a newer one if there is one, and only by a good one.
type UpdateFunc func(ctx context.Context) (info advisory.Info, changed bool, err error)

// UpdaterOptions are the settings of an Updater. Index, Source and Update are required.
type UpdaterOptions struct {
	Index    string // the file that Update replaces; its state is kept beside it, as <Index>.update.json
	Source   string // where Update takes it from, without any password; told to people
	Update   UpdateFunc
	Interval time.Duration    // default DefaultUpdateInterval; a tenth of it more or less by chance, so that many servers do not ask at once
	Timeout  time.Duration    // of one update; default DefaultUpdateTimeout
	Retry    time.Duration    // after the first failure; default a minute
	Changed  func()           // called after an update that replaced the file; may be nil
	Now      func() time.Time // default time.Now
	Log      logrus.FieldLogger
}

// UpdateState is how the updates of an index go.
type UpdateState struct {
	Source      string    `json:"source"`
	LastAttempt time.Time `json:"lastAttempt,omitzero"`
	LastSuccess time.Time `json:"lastSuccess,omitzero"` // the source was asked and its index is in place, new or not
	Failures    int       `json:"failures"`             // since the last success
	Error       string    `json:"error,omitempty"`      // of the last attempt; empty: it went well
}

// Updater keeps the index file of a running server up to date. An update that fails changes nothing: the index in place stays, the
// state says what is wrong, and the next attempt comes sooner. It is safe for concurrent use.
type Updater struct {
	opts UpdaterOptions

	mu    sync.Mutex
	state UpdateState
	total int // failures since the start
}

// NewUpdater makes an Updater. It takes the state of an earlier run over if that was for the same source.
func NewUpdater(opts UpdaterOptions) *Updater { //nolint:gocritic // hugeParam: called once
	if opts.Interval <= 0 {
		opts.Interval = DefaultUpdateInterval
	}
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultUpdateTimeout
	}
	if opts.Retry <= 0 {
		opts.Retry = firstRetry
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	u := &Updater{opts: opts, state: UpdateState{Source: opts.Source}}
	if known, err := ReadUpdateState(opts.Index); err == nil && known != nil && known.Source == opts.Source {
		u.state = *known
	}
	return u
}

// Run updates at once and then at every interval, sooner after a failure, until ctx ends; it returns the cause.
func (u *Updater) Run(ctx context.Context) error {
	for {
		u.Once(ctx)
		timer := time.NewTimer(u.pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// pause is the time until the next update.
func (u *Updater) pause() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	wait := u.opts.Interval
	if n := u.state.Failures; n > 0 {
		wait = min(wait, u.opts.Retry<<min(n-1, 10))
	}
	return wait - wait/10 + rand.N(wait/5+1) //nolint:gosec // G404: jitter
}

// Once makes one update and notes how it went.
func (u *Updater) Once(ctx context.Context) {
	began := u.opts.Now()
	info, changed, err := u.update(ctx)
	if ctx.Err() != nil {
		return // the end of the server is no fault of the feed's
	}
	log := u.opts.Log.WithField("source", u.opts.Source)
	u.mu.Lock()
	u.state.LastAttempt = began.UTC()
	if err != nil {
		u.state.Failures++
		u.total++
		u.state.Error = shorten(err.Error(), maxReason)
	} else {
		u.state.LastSuccess, u.state.Failures, u.state.Error = began.UTC(), 0, ""
	}
	state := u.state
	u.mu.Unlock()
	switch {
	case err != nil:
		log.WithError(err).WithField("failures", state.Failures).Error("feed update failed; the index in place stays in use")
	case changed:
		log.WithField("revision", info.Revision).WithField("date", info.Date).Info("feed updated")
		if u.opts.Changed != nil {
			u.opts.Changed()
		}
	default:
		log.WithField("revision", info.Revision).Debug("feed is up to date")
	}
	if err := writeUpdateState(u.opts.Index, &state); err != nil {
		log.WithError(err).Warn("the state of the feed's updates cannot be kept")
	}
}

func (u *Updater) update(ctx context.Context) (info advisory.Info, changed bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, u.opts.Timeout, fmt.Errorf("the update was not done in %s", u.opts.Timeout))
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the update panicked: %v", r) // a server goes on with the index that it has
		}
	}()
	return u.opts.Update(ctx)
}

// State tells how the updates go.
func (u *Updater) State() UpdateState {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state
}

// Failures counts the updates that failed since the start.
func (u *Updater) Failures() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}

// Err says what is wrong with the last update; nil when it went well or there was none yet.
func (u *Updater) Err() error {
	s := u.State()
	if s.Error == "" {
		return nil
	}
	return errors.New(s.Describe(u.opts.Now()))
}

// Describe words the state for people, in one line.
func (s *UpdateState) Describe(now time.Time) string {
	since := "never"
	if !s.LastSuccess.IsZero() {
		since = now.Sub(s.LastSuccess).Round(time.Second).String() + " ago"
	}
	if s.Error == "" {
		return "last success " + since
	}
	return fmt.Sprintf("%d updates in a row failed, last success %s: %s", s.Failures, since, s.Error)
}

// ReadUpdateState reads how the updates of an index go, as the server that makes them wrote it; nil where none does.
func ReadUpdateState(index string) (*UpdateState, error) {
	text, err := os.ReadFile(filepath.Clean(index + ".update.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if err != nil {
		return nil, fmt.Errorf("state of the feed's updates: %w", err)
	}
	var s UpdateState
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("state of the feed's updates, %s.update.json: %w", index, err)
	}
	return &s, nil
}

func writeUpdateState(index string, s *UpdateState) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(index), ".update-*")
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(out.Name(), index+".update.json")
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}
