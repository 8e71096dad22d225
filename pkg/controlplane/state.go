package controlplane

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"syscall"
)

// BackupDir has copies of the files as they were, and a record of what was done. It is outside the manifests folder, all of whose
// files the kubelet reads, and outside what the API server's pod mounts.
const BackupDir = "/etc/kubernetes/runecast-backup"

const (
	stateFile    = BackupDir + "/state.json"
	lockedFolder = "/etc"
	originals    = "original" // as the files were before runecast
	previous     = "previous" // as they were before the run that goes on
)

// phase is how far the tool is. It is on disk before what it announces is done, so that a run after one that was ended knows.
type phase string

const (
	phaseNone        phase = ""
	phasePreparing   phase = "preparing" // copies are made, no file of the node is touched
	phaseConfiguring phase = "configuring"
	phaseConfigured  phase = "configured"
	phaseUndoing     phase = "rolling back"
	phaseRestoring   phase = "restoring"
	phaseForgetting  phase = "forgetting" // the files are as they were; the copies go
)

// state is what the tool has done on this node.
type state struct {
	Version int         `json:"version"`
	Phase   phase       `json:"phase"`
	Before  phase       `json:"before"`            // what a roll-back goes back to
	Flag    string      `json:"flag"`              // the value of the flag before runecast
	Service string      `json:"service,omitempty"` // unit whose restart has the API server read the files; "" for kubeadm
	Restart string      `json:"restart,omitempty"` // the annotation that the run puts in
	Files   []fileState `json:"files"`
	Folders []string    `json:"folders,omitempty"` // made by the tool, in the order of making
}

type fileState struct {
	Path     string `json:"path"`
	Original *saved `json:"original"`          // nil: there was none
	Previous *saved `json:"previous"`          // nil: there was none
	Written  string `json:"written,omitempty"` // SHA-256 of what was written last
	Run      bool   `json:"run,omitempty"`     // it is one of those that the run that goes on writes
}

// saved describes a copy.
type saved struct {
	SHA256 string      `json:"sha256"`
	Mode   fs.FileMode `json:"mode"`
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
}

func (s *state) file(name string) *fileState {
	for i := range s.Files {
		if s.Files[i].Path == name {
			return &s.Files[i]
		}
	}
	s.Files = append(s.Files, fileState{Path: name})
	return &s.Files[len(s.Files)-1]
}

// addFolders remembers folders that are going to be made. The one that the copies are in stays: it may be there already for their sake.
func (s *state) addFolders(names []string) {
	for _, name := range names {
		if name != path.Dir(BackupDir) && !slices.Contains(s.Folders, name) {
			s.Folders = append(s.Folders, name)
		}
	}
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func loadState(d disk) (*state, error) {
	c, err := load(d, stateFile)
	if err != nil {
		return nil, err
	}
	s := &state{Version: 1}
	if c == nil {
		return s, nil
	}
	if err := json.Unmarshal(c.text, s); err != nil {
		return nil, fmt.Errorf("record %s: %w", stateFile, err)
	}
	if s.Version != 1 {
		return nil, fmt.Errorf("record %s is of version %d: use the program that wrote it", stateFile, s.Version)
	}
	return s, nil
}

func (s *state) save(d disk) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", stateFile, err)
	}
	return replace(d, stateFile, &content{text: append(text, '\n'), mode: 0o600, uid: syscall.Getuid(), gid: syscall.Getgid()})
}

// copyOf names a copy after the file and its content, so that one copy never takes the place of another.
func copyOf(kind, name, sum string) string {
	return path.Join(BackupDir, kind, path.Base(name)+"."+sum[:12])
}

// keep makes a copy of a file and describes it; nil where there is no file.
func keep(d disk, kind, name string, c *content) (*saved, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	private := *c
	private.mode, private.uid, private.gid = 0o600, syscall.Getuid(), syscall.Getgid()
	s := &saved{digest(c.text), c.mode, c.uid, c.gid}
	return s, replace(d, copyOf(kind, name, s.SHA256), &private)
}

// kept gives a file as it was when the copy was made, nil where there was none.
func kept(d disk, kind, name string, s *saved) (*content, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	at := copyOf(kind, name, s.SHA256)
	c, err := load(d, at)
	if err != nil {
		return nil, err
	}
	if c == nil || digest(c.text) != s.SHA256 {
		return nil, fmt.Errorf("the copy %s is not there, or is not what was saved", at)
	}
	return &content{text: c.text, mode: s.Mode, uid: s.UID, gid: s.GID}, nil
}

// put makes a file what it was, and removes it where there was none.
func put(d disk, name string, c *content) error {
	if c == nil {
		return discard(d, name)
	}
	now, err := load(d, name)
	if err != nil {
		return err
	}
	if now != nil && digest(now.text) == digest(c.text) && now.mode == c.mode && now.uid == c.uid && now.gid == c.gid {
		return nil
	}
	return replace(d, name, c)
}

// putBack makes a file what it was before the run, and gives that; nil where there was none. Where the disk is full the copy itself takes
// the file's place, which needs no room.
func putBack(d disk, name string, s *saved) (*content, error) {
	now, err := load(d, name)
	if err != nil {
		return nil, err
	}
	if s != nil && now != nil && digest(now.text) == s.SHA256 && now.mode == s.Mode && now.uid == s.UID && now.gid == s.GID {
		return now, nil
	}
	was, err := kept(d, previous, name, s)
	if err != nil {
		return nil, err
	}
	if err = put(d, name, was); !errors.Is(err, syscall.ENOSPC) || was == nil {
		return was, err
	}
	at := copyOf(previous, name, s.SHA256)
	if err := own(d, at, was); err != nil {
		return nil, fmt.Errorf("put %s back: %w", name, err)
	}
	if err := d.rename(at, name); err != nil {
		return nil, fmt.Errorf("put %s back: %w", name, err)
	}
	if err := d.sync(path.Dir(name)); err != nil {
		return nil, fmt.Errorf("put %s back: %w", name, err)
	}
	return was, nil
}

// withoutPrevious is the record between runs.
func (s *state) withoutPrevious() *state {
	between := *s
	between.Files = slices.Clone(s.Files)
	for i := range between.Files {
		between.Files[i].Previous, between.Files[i].Run = nil, false
	}
	return &between
}

// clear removes the copies of a kind that the record does not need, and what a run that was ended left of them.
func (s *state) clear(d disk, kind string) error {
	needed := map[string]bool{}
	for i := range s.Files {
		f := &s.Files[i]
		if f.Original != nil && kind == originals && s.Phase != phaseForgetting {
			needed[path.Base(copyOf(kind, f.Path, f.Original.SHA256))] = true
		}
	}
	at := path.Join(BackupDir, kind)
	folder, err := d.open(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into %s: %w", at, err)
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("look into %s: %w", at, err)
	}
	for _, name := range names {
		if !needed[name] {
			if err := discard(d, path.Join(at, name)); err != nil {
				return err
			}
		}
	}
	if len(needed) > 0 {
		return nil
	}
	return ignoreMissing(d.remove(at))
}

// tidy removes the copies that are not needed between runs.
func (s *state) tidy(d disk) error {
	return errors.Join(s.clear(d, previous), s.clear(d, originals))
}

// forget removes the copies, the folders that were made and are empty, and the record.
func (s *state) forget(d disk) error {
	if before := s.Phase; before != phaseForgetting {
		// Until the record says so the copies may be needed. Where it cannot be written, as on a full disk, what follows makes room.
		if s.Phase = phaseForgetting; before != phasePreparing {
			_ = s.save(d)
		}
	}
	for i := range s.Files {
		if err := discard(d, temporary(s.Files[i].Path)); err != nil {
			return err
		}
	}
	for _, kind := range []string{previous, originals} {
		if err := s.clear(d, kind); err != nil {
			return fmt.Errorf("remove the copies: %w", err)
		}
	}
	for _, name := range slices.Backward(s.Folders) {
		if err := d.remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return fmt.Errorf("remove the folder %s: %w", name, err)
		}
	}
	for _, err := range []error{discard(d, temporary(stateFile)), discard(d, stateFile), ignoreMissing(d.remove(BackupDir))} {
		if err != nil {
			return fmt.Errorf("remove the record: %w", err)
		}
	}
	*s = state{Version: s.Version}
	return nil
}
