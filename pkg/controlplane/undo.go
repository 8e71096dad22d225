package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"
)

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
	// The manifest first: the API server must not start again without the files that its flag names.
	for i := range slices.Backward(s.Files) {
		f := &s.Files[i]
		if !f.Run {
			continue
		}
		var err error
		if f.Path == ManifestFile {
			err = n.rollManifestBack(ctx, f)
		} else {
			_, err = putBack(n.disk, f.Path, f.Previous)
		}
		if err != nil {
			return err
		}
		if f.Written = ""; f.Previous != nil {
			f.Written = f.Previous.SHA256
		}
	}
	if err := n.settled(s); err != nil {
		return errors.Join(unsaved, err)
	}
	return nil
}

// rollManifestBack puts the manifest back and waits for the API server.
func (n *Node) rollManifestBack(ctx context.Context, f *fileState) error {
	now, err := load(n.disk, ManifestFile)
	if err != nil {
		return err
	}
	if now != nil && digest(now.text) != f.Written && (f.Previous == nil || digest(now.text) != f.Previous.SHA256) {
		return fmt.Errorf("%s was changed by somebody since: set it right by hand", ManifestFile)
	}
	since := time.Now()
	was, err := putBack(n.disk, f.Path, f.Previous)
	if err != nil || was == nil || n.API == nil {
		return err
	}
	if now != nil && bytes.Equal(now.text, was.text) {
		since = time.Time{}
	}
	n.say("Waiting for the API server to come back as it was (at most %s).", n.limit())
	return n.await(ctx, was.text, since, min(n.unnoticed(), n.limit()/2))
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
	if err := s.tidy(n.disk); err != nil {
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
	return s.tidy(n.disk)
}
