package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotConfigured says that there is nothing to restore.
var ErrNotConfigured = errors.New("runecast has changed no file of this node")

// ActionRemove is what a file needs that runecast made.
const ActionRemove = "remove"

// Restore undoes what Configure did: the files get the bytes, permissions and owners that they had, and those that were not there
// go. A manifest that was changed in other places since, as kubeadm does in an upgrade, loses only what Configure put in.
// A kubeconfig or an admission configuration that somebody changed since stays. It gives what it did; with dry, what it would
// do. Its error is ErrNotConfigured where there is nothing to undo.
func (n *Node) Restore(ctx context.Context, dry bool) (*Plan, error) {
	s, release, err := n.opened()
	if err != nil {
		return nil, err
	}
	defer release()
	if !dry && s.Phase != phaseRestoring && s.Phase != phaseConfiguring { // which a restore takes back whole
		if failed := n.settle(ctx, s); failed != nil {
			return nil, failed
		}
	}
	if s.Phase == phaseNone || s.Phase == phasePreparing || s.Phase == phaseForgetting {
		return nil, ErrNotConfigured
	}
	back, err := n.draftRestore(s)
	if err != nil {
		return nil, err
	}
	plan, err := planRestore(back)
	if err == nil {
		plan.Service = s.Service
	}
	if err != nil || dry {
		return plan, err
	}
	return plan, n.restore(ctx, s, back)
}

// restoration is a file as it is and as it was before runecast; either is nil where there is no file.
type restoration struct {
	path    string
	is, was *content
}

// draftRestore gives the manifest first: the API server must not start without the files that its flag names.
func (n *Node) draftRestore(s *state) ([]restoration, error) {
	var all []restoration
	for i := len(s.Files) - 1; i >= 0; i-- {
		f := &s.Files[i]
		is, err := load(n.disk, f.Path)
		if err != nil {
			return nil, err
		}
		r := restoration{f.Path, is, is}
		switch {
		case is == nil && f.Path != ManifestFile:
			r.was, err = kept(n.disk, originals, f.Path, f.Original)
		case is == nil:
			err = fmt.Errorf("there is no %s: put it back by hand, a copy is in %s", ManifestFile, BackupDir)
		case digest(is.text) == f.Written || f.Original != nil && digest(is.text) == f.Original.SHA256:
			r.was, err = kept(n.disk, originals, f.Path, f.Original)
		case f.Path == ManifestFile:
			r.was, err = withoutOurs(is, s.Flag)
		case f.Path == KubeconfigFile || f.Path == AdmissionFile:
			n.say("%s was changed by somebody since: it stays.", f.Path)
		case bytes.Contains(is.text, []byte(AdmissionFile)):
			err = fmt.Errorf("%s was changed by somebody since: take the line with %s out of it by hand, and run restore again", f.Path, AdmissionFile)
		default:
			n.say("%s was changed by somebody since, and does not name our files any more: it stays.", f.Path)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func withoutOurs(is *content, flag string) (*content, error) {
	m, err := parseManifest(is.text)
	if err == nil {
		was := *is
		if was.text, err = m.unedit(flag); err == nil {
			return &was, nil
		}
	}
	return nil, fmt.Errorf("manifest %s: %w", ManifestFile, err)
}

func planRestore(all []restoration) (*Plan, error) {
	plan := &Plan{Done: true}
	for i := range all {
		r := &all[i]
		var is, was []byte
		if r.is != nil {
			is = r.is.text
		}
		if r.was != nil {
			was = r.was.text
		}
		var err error
		if r.path == KubeconfigFile {
			if is, err = redact(is, "", noToken); err == nil {
				was, err = redact(was, "", noToken)
			}
			if err != nil {
				is, was = []byte("# not shown\n"), nil
			}
		}
		context := 0 // settings may have the cluster's token beside the change
		if r.path == ManifestFile || r.path == AdmissionFile {
			context = around
		}
		change, err := compare(r.path, is, was, context)
		if err != nil {
			return nil, err
		}
		if r.was == nil && r.is != nil {
			change.Action = ActionRemove
		}
		plan.Files = append(plan.Files, change)
		plan.Done = plan.Done && change.Action == ActionNone
		plan.Restarts = plan.Restarts || r.path == ManifestFile && change.Action != ActionNone
	}
	return plan, nil
}

// restore carries out what draftRestore gave.
func (n *Node) restore(ctx context.Context, s *state, back []restoration) error {
	interrupted := s.Phase == phaseRestoring
	s.Phase = phaseRestoring
	if err := s.save(n.disk); err != nil {
		return err
	}
	since := time.Now()
	for i := range back {
		r := &back[i]
		if r.is != r.was {
			if r.was == nil {
				n.say("Removing %s.", r.path)
			} else {
				n.say("Putting %s back.", r.path)
			}
			if err := put(n.disk, r.path, r.was); err != nil {
				return err
			}
		}
		if r.path != ManifestFile || n.API == nil {
			continue
		}
		if same := bytes.Equal(r.is.text, r.was.text); same {
			if since = (time.Time{}); !interrupted {
				continue // it did not name our files any more
			}
		}
		n.say("Waiting for the API server to come back (at most %s).", n.limit())
		if err := n.await(ctx, r.was.text, since, forever); err != nil {
			return fmt.Errorf("%w\n%s is as it was before runecast; run restore again when the API server is well, to remove the other files", err, ManifestFile)
		}
		n.say("The API server is back.")
	}
	return s.forget(n.disk)
}
