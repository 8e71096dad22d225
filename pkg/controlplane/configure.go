package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"syscall"
	"time"
)

// DefaultLimit is how long an API server may take to come back. The kubelet looks at its manifests at least every 20 seconds, and
// gives the old API server 30 to end.
const DefaultLimit = 3 * time.Minute

// Node is a control-plane node whose files are changed. One tool at a time may work on it.
type Node struct {
	// Root is the folder that the node's file system is mounted at; "" and "/" are this machine.
	Root string
	// API is the node's API server. Without one the files are written and nothing is waited for, as for a node that does not run.
	API *API
	// Try sends a review to the webhook with a token, and says why that is not answered. Without it tokens are not tried.
	Try func(ctx context.Context, token string) error
	// Say is told each step in a sentence.
	Say func(step string)
	// Waiting is told how a wait goes: how long it lasts, how long it may, and what is not yet so. It may be nil.
	Waiting func(lasted, limit time.Duration, not error)
	// Limit is how long the API server may take to come back (default DefaultLimit).
	Limit time.Duration

	disk disk          // tests end the program within it
	poll time.Duration // how often a wait looks (default pollEvery)
}

func (n *Node) limit() time.Duration {
	if n.Limit <= 0 {
		return DefaultLimit
	}
	return n.Limit
}

func (n *Node) every() time.Duration {
	if n.poll <= 0 {
		return pollEvery
	}
	return n.poll
}

func (n *Node) say(format string, values ...any) {
	if n.Say != nil {
		n.Say(fmt.Sprintf(format, values...))
	}
}

// opened locks the node against other runs and reads what was done to it.
func (n *Node) opened() (*state, func(), error) {
	d, done, err := newDisk(n.Root)
	if err != nil {
		return nil, nil, err
	}
	given := n.disk
	if given == nil {
		n.disk = d
	}
	lock, err := d.open(lockedFolder)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("this is no control-plane node of kubeadm, or --root is not its file system: %w", err), done())
	}
	release := func() {
		_, _ = lock.Close(), done() // which frees the lock
		n.disk = given
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		release()
		return nil, nil, fmt.Errorf("lock %s: another run works on this node: %w", lockedFolder, err)
	}
	s, err := loadState(n.disk)
	if err != nil {
		release()
		return nil, nil, err
	}
	return s, release, nil
}

// Configure carries a plan out: it keeps copies of the files, writes them, each whole or not at all and the manifest last, and waits for the API
// server to come back from the new manifest. Where something fails it puts back what was there, waits again, and gives the
// cause: then the node is as it was before. A run that was ended at any point is finished, or undone, by the next. It gives the
// plan that it carried out; one that is Done changed nothing.
func (n *Node) Configure(ctx context.Context, options Options) (*Plan, error) {
	s, release, err := n.opened()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := n.settle(ctx, s); err != nil {
		return nil, err
	}
	options.Root = n.Root
	plan, err := n.configure(ctx, s, options)
	if err != nil && s.Phase == phaseConfiguring {
		return nil, n.undo(ctx, s, err)
	}
	return plan, err
}

// settle finishes what a run that was ended had begun to take back, and removes what it left.
func (n *Node) settle(ctx context.Context, s *state) error {
	for _, name := range []string{stateFile, KubeconfigFile, AdmissionFile, ManifestFile} {
		if err := discard(n.disk, temporary(name)); err != nil {
			return err
		}
	}
	switch s.Phase {
	case phasePreparing:
		return n.unprepare(s)
	case phaseForgetting:
		return s.forget(n.disk)
	case phaseUndoing:
		n.say("A roll-back was not finished: finishing it.")
		return n.rollBack(ctx, s)
	case phaseRestoring:
		n.say("A restore was not finished: finishing it.")
		return n.restore(ctx, s)
	case phaseConfiguring:
		n.say("A run was not finished: finishing it.")
	case phaseConfigured:
		return errors.Join(s.clear(n.disk, previous), s.clear(n.disk, originals))
	case phaseNone: // the record was not written yet
		if err := ignoreMissing(n.disk.remove(BackupDir)); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("remove %s: %w", BackupDir, err)
		}
	}
	return nil
}

func (n *Node) configure(ctx context.Context, s *state, options Options) (*Plan, error) {
	if s.Phase == phaseConfiguring {
		options.restart = s.Restart
	}
	made, err := makeDraft(n.disk, options)
	if err != nil {
		return nil, err
	}
	plan, err := made.plan()
	if err != nil || plan.Done && s.Phase != phaseConfiguring {
		return plan, err
	}
	if err := n.preflight(ctx, s, made); err != nil {
		return nil, err
	}
	if err := n.begin(s, made); err != nil {
		return nil, err
	}
	since := time.Now()
	for _, t := range made.targets() {
		if t.same() {
			continue
		}
		n.say("Writing %s.", t.path)
		if err := replace(n.disk, t.path, &t.new); err != nil {
			return nil, err
		}
	}
	if n.API != nil {
		if made.manifest.same() { // written by the run that was ended
			since = time.Time{}
		}
		n.say("Waiting for the API server to come back (at most %s).", n.limit())
		if err := n.await(ctx, made.manifest.new.text, since); err != nil {
			return nil, err
		}
		n.say("The API server is back.")
	}
	return plan, n.commit(s)
}

// preflight finds what would make the change fail or be of no use, before any byte is written.
func (n *Node) preflight(ctx context.Context, s *state, made *draft) error {
	if made.token == "" {
		return errors.New("the API token is not known: give it with --token-file")
	}
	if n.API != nil && s.Phase != phaseConfiguring {
		if err := n.API.Ready(ctx); err != nil {
			return fmt.Errorf("the API server is not well before the change, and nothing was changed: %w", err)
		}
	}
	if n.Try != nil {
		if err := n.Try(ctx, made.token); err != nil {
			return fmt.Errorf("the webhook %s does not take the token, and nothing was changed: %w", made.user, err)
		}
		n.say("The webhook %s takes the token.", made.user)
	}
	return nil
}

// begin keeps copies of the files and records what is about to be done.
func (n *Node) begin(s *state, made *draft) error {
	if s.Phase != phaseConfiguring {
		if err := n.prepare(s, made); err != nil {
			return errors.Join(err, n.unprepare(s))
		}
	}
	after, err := parseManifest(made.manifest.new.text)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	s.Restart = after.restartedAt()
	for _, t := range made.targets() {
		s.file(t.path).Written = digest(t.new.text)
	}
	before := s.Phase
	s.Phase = phaseConfiguring
	if err := s.save(n.disk); err != nil {
		if s.Phase = before; before == phasePreparing {
			err = errors.Join(err, n.unprepare(s))
		}
		return err
	}
	n.say("Kept copies of the files in %s.", BackupDir)
	_, err = folder(n.disk, ConfigDir, 0o755)
	return err
}

// prepare makes the copies. The record that says so comes first, so that they are found should the program be ended.
func (n *Node) prepare(s *state, made *draft) error {
	s.Before = s.Phase
	missing, err := absent(n.disk, ConfigDir)
	if err != nil {
		return err
	}
	if _, err := folder(n.disk, BackupDir, 0o700); err != nil {
		return err
	}
	s.Phase = phasePreparing
	if err := s.save(n.disk); err != nil {
		return err
	}
	for _, kind := range []string{previous, originals} {
		if _, err := folder(n.disk, path.Join(BackupDir, kind), 0o700); err != nil {
			return err
		}
	}
	kept := map[string]fileState{}
	for _, t := range made.targets() {
		f := *s.file(t.path)
		if f.Previous, err = keep(n.disk, previous, t.path, t.old); err == nil && (s.Before == phaseNone || !ours(t, made)) {
			f.Original, err = keep(n.disk, originals, t.path, t.old)
		}
		if err != nil {
			return err
		}
		kept[t.path] = f
	}
	for name, f := range kept { // the record knows the new copies once all are there
		*s.file(name) = f
	}
	s.Folders = append(s.Folders, missing...)
	if made.before.value != AdmissionFile {
		s.Flag = made.before.value
	}
	return nil
}

// unprepare removes the copies of a run that touched nothing yet.
func (n *Node) unprepare(s *state) error {
	if s.Before == phaseNone {
		if s.Phase == phaseNone { // not even the folder could be made
			return nil
		}
		return s.forget(n.disk)
	}
	saved, err := loadState(n.disk) // without the copies that were made
	if err != nil {
		return err
	}
	if *s = *saved; s.Phase == phasePreparing {
		return n.settled(s)
	}
	return errors.Join(s.clear(n.disk, previous), s.clear(n.disk, originals))
}

// ours tells whether a file that is there is, or holds, what runecast wrote, so that it is not how the file was before runecast.
func ours(t *target, made *draft) bool {
	if t.old == nil {
		return false
	}
	return t != &made.manifest || made.before.value == AdmissionFile
}

// undo rolls a run back and gives the cause, with what became of the roll-back. It goes on when the caller's context has ended.
func (n *Node) undo(ctx context.Context, s *state, cause error) error {
	n.say("Rolling back: %v.", cause)
	if err := n.rollBack(context.WithoutCancel(ctx), s); err != nil {
		return errors.Join(cause, fmt.Errorf("the roll-back failed too; the files as they were are in %s: %w", path.Join(BackupDir, previous), err))
	}
	return fmt.Errorf("rolled back, the node is as it was: %w", cause)
}

func (n *Node) rollBack(ctx context.Context, s *state) error {
	s.Phase = phaseUndoing
	unsaved := s.save(n.disk) // it fails on a full disk, where putting back may still do
	now, err := load(n.disk, ManifestFile)
	if err != nil {
		return err
	}
	since := time.Now()
	// The manifest first: the API server must not start again without the files that its flag names.
	for i := len(s.Files) - 1; i >= 0; i-- {
		f := &s.Files[i]
		if f.Path == ManifestFile && now != nil && digest(now.text) != f.Written && (f.Previous == nil || digest(now.text) != f.Previous.SHA256) {
			return fmt.Errorf("%s was changed by somebody since: set it right by hand", ManifestFile)
		}
		was, err := putBack(n.disk, f.Path, f.Previous)
		if err != nil {
			return err
		}
		f.Written = ""
		if was != nil {
			f.Written = digest(was.text)
		}
		if f.Path == ManifestFile && n.API != nil {
			if now != nil && bytes.Equal(now.text, was.text) {
				since = time.Time{}
			}
			n.say("Waiting for the API server to come back as it was (at most %s).", n.limit())
			if err := n.await(ctx, was.text, since); err != nil {
				return err
			}
		}
	}
	if err := n.settled(s); err != nil {
		return errors.Join(unsaved, err)
	}
	return nil
}

// commit ends a run that went well. Where the record cannot say so the run is undone.
func (n *Node) commit(s *state) error {
	before := s.Before
	s.Phase, s.Before, s.Restart = phaseConfigured, phaseNone, ""
	done := s.withoutPrevious()
	if err := done.save(n.disk); err != nil {
		s.Phase, s.Before = phaseConfiguring, before
		return err
	}
	if err := errors.Join(s.clear(n.disk, previous), s.clear(n.disk, originals)); err != nil {
		n.say("Copies that are not needed any more stay until the next run: %v.", err)
	}
	return nil
}

// settled ends a roll-back: the record says what it said before the run.
func (n *Node) settled(s *state) error {
	if s.Before == phaseNone {
		return s.forget(n.disk)
	}
	s.Phase, s.Before, s.Restart = s.Before, phaseNone, ""
	*s = *s.withoutPrevious()
	if err := s.save(n.disk); err != nil {
		return err
	}
	return errors.Join(s.clear(n.disk, previous), s.clear(n.disk, originals))
}
