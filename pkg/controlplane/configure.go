package controlplane

import (
	"context"
	"errors"
	"fmt"
	"path"
	"syscall"
	"time"
)

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
	if failed := n.settle(ctx, s); failed != nil {
		return nil, failed
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
		back, err := n.draftRestore(s)
		if err != nil {
			return err
		}
		return n.restore(ctx, s, back)
	case phaseConfiguring:
		n.say("A run was not finished: finishing it.")
	case phaseConfigured:
		return s.tidy(n.disk)
	case phaseNone: // the record was not written yet
		if err := ignoreMissing(n.disk.remove(BackupDir)); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("remove %s: %w", BackupDir, err)
		}
	}
	return nil
}

func (n *Node) configure(ctx context.Context, s *state, options Options) (*Plan, error) {
	restart := ""
	if s.Phase == phaseConfiguring {
		restart = s.Restart
	}
	made, err := draftAgain(n.disk, options, restart)
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
	if err := n.write(ctx, made); err != nil {
		return nil, err
	}
	return plan, n.commit(s)
}

// write writes the files that change, and waits for the API server where the kubelet restarts it.
func (n *Node) write(ctx context.Context, made *draft) error {
	since := time.Now()
	for _, t := range made.targets() {
		if t.same() {
			continue
		}
		n.say("Writing %s.", t.path)
		if _, err := folder(n.disk, path.Dir(t.path), 0o755); err != nil {
			return err
		}
		if err := replace(n.disk, t.path, &t.new); err != nil {
			return err
		}
	}
	if m := made.manifest(); m != nil && n.API != nil {
		if m.same() { // written by the run that was ended
			since = time.Time{}
		}
		n.say("Waiting for the API server to come back (at most %s).", n.limit())
		if err := n.await(ctx, m.new.text, since, forever); err != nil {
			return err
		}
		n.say("The API server is back.")
	}
	return nil
}

// preflight finds what would make the change fail or be of no use, before any byte is written.
func (n *Node) preflight(ctx context.Context, s *state, made *draft) error {
	if made.token == "" {
		return errors.New("the API token is not known: give it with --token-file")
	}
	switch {
	case n.API == nil:
	case s.Phase == phaseConfiguring: // it may be restarting from what the run that was ended wrote
		if err := n.until(ctx, n.API.Ready); err != nil {
			return fmt.Errorf("the API server is not well: %w", err)
		}
	default:
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
	if m := made.manifest(); m != nil {
		after, err := parseManifest(m.new.text)
		if err != nil {
			return fmt.Errorf("manifest %s: %w", ManifestFile, err)
		}
		s.Restart = after.restartedAt()
	}
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
	return nil
}

// prepare makes the copies. The record that says so comes first, so that they are found should the program be ended.
func (n *Node) prepare(s *state, made *draft) error {
	s.Before = s.Phase
	missing, err := absent(n.disk, ConfigDir)
	if err != nil {
		return err
	}
	if _, err = folder(n.disk, BackupDir, 0o700); err != nil {
		return err
	}
	s.Phase = phasePreparing
	if failed := s.save(n.disk); failed != nil {
		return failed
	}
	for _, kind := range []string{previous, originals} {
		if _, err = folder(n.disk, path.Join(BackupDir, kind), 0o700); err != nil {
			return err
		}
	}
	if failed := n.copyAll(s, made); failed != nil {
		return failed
	}
	s.addFolders(missing)
	s.Service = made.service()
	for _, t := range made.configs { // folders of settings that are not there yet
		if missing, err = absent(n.disk, path.Dir(t.path)); err != nil {
			return err
		}
		s.addFolders(missing)
	}
	if m := made.before; m != nil && m.value != AdmissionFile {
		s.Flag = m.value
	}
	return nil
}

// copyAll copies what a run is going to write.
func (n *Node) copyAll(s *state, made *draft) error {
	kept := map[string]fileState{}
	for _, t := range made.targets() {
		f := *s.file(t.path)
		f.Run = true
		var err error
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
	return s.tidy(n.disk)
}

// ours tells whether a file that is there is, or holds, what runecast wrote, so that it is not how the file was before runecast.
func ours(t *target, made *draft) bool {
	if t.old == nil {
		return false
	}
	if t == made.manifest() {
		return made.before.value == AdmissionFile
	}
	return t == &made.kubeconfig || t == &made.admission || t.same()
}
