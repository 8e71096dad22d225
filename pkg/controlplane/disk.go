package controlplane

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// disk is the node's file system. Names are absolute, as they are on the node. Each method is one operation of the file system, so
// that tests can end the program after each.
type disk interface { //nolint:interfacebloat // the operations are these; what tests end is each of them
	open(name string) (*os.File, error)
	create(name string, mode fs.FileMode) (*os.File, error) // it must not be there yet
	write(file *os.File, text []byte) error                 // and makes it durable
	chown(name string, uid, gid int) error
	chmod(name string, mode fs.FileMode) error
	rename(from, to string) error
	remove(name string) error
	mkdir(name string, mode fs.FileMode) error
	lstat(name string) (fs.FileInfo, error)
	sync(folder string) error // makes what was renamed or removed in a folder durable
}

// newDisk gives the file system of this machine, or one that is mounted at root, out of which no link leads.
func newDisk(root string) (disk, func() error, error) {
	if root == "" || root == "/" {
		return host{}, func() error { return nil }, nil
	}
	at, err := os.OpenRoot(root)
	if err != nil {
		return nil, nil, fmt.Errorf("open the node's file system: %w", err)
	}
	return mounted{at}, at.Close, nil
}

// host is this machine's file system.
type host struct{}

func (host) open(name string) (*os.File, error) { return os.Open(name) } //nolint:gosec,wrapcheck // a path of the node

func (host) create(name string, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // a path of the node
}

func (host) write(file *os.File, text []byte) error    { return writeAll(file, text) }
func (host) chown(name string, uid, gid int) error     { return os.Lchown(name, uid, gid) }
func (host) chmod(name string, mode fs.FileMode) error { return os.Chmod(name, mode) } //nolint:gosec // as above
func (host) rename(from, to string) error              { return os.Rename(from, to) }  //nolint:gosec // as above
func (host) remove(name string) error                  { return os.Remove(name) }
func (host) mkdir(name string, mode fs.FileMode) error { return os.Mkdir(name, mode) }
func (host) lstat(name string) (fs.FileInfo, error)    { return os.Lstat(name) }
func (h host) sync(folder string) error                { return syncFolder(h.open(folder)) }

// mounted is a file system that is mounted somewhere.
type mounted struct{ root *os.Root }

// inside gives a name of the node as one within the root.
func inside(name string) string {
	if name = strings.TrimPrefix(path.Clean(name), "/"); name != "" {
		return name
	}
	return "."
}

func (m mounted) open(name string) (*os.File, error) { return m.root.Open(inside(name)) }

func (m mounted) create(name string, mode fs.FileMode) (*os.File, error) {
	return m.root.OpenFile(inside(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
}

func (m mounted) write(file *os.File, text []byte) error { return writeAll(file, text) }
func (m mounted) chown(name string, uid, gid int) error  { return m.root.Lchown(inside(name), uid, gid) }

func (m mounted) chmod(name string, mode fs.FileMode) error { return m.root.Chmod(inside(name), mode) }

func (m mounted) rename(from, to string) error              { return m.root.Rename(inside(from), inside(to)) }
func (m mounted) remove(name string) error                  { return m.root.Remove(inside(name)) }
func (m mounted) mkdir(name string, mode fs.FileMode) error { return m.root.Mkdir(inside(name), mode) }
func (m mounted) lstat(name string) (fs.FileInfo, error)    { return m.root.Lstat(inside(name)) }
func (m mounted) sync(folder string) error                  { return syncFolder(m.open(folder)) }

func writeAll(file *os.File, text []byte) error {
	if _, err := file.Write(text); err != nil {
		return err //nolint:wrapcheck // atomically names the file
	}
	return file.Sync() //nolint:wrapcheck // atomically names the file
}

func syncFolder(folder *os.File, err error) error {
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err //nolint:wrapcheck // the caller names the folder
	}
	return nil
}

// content is a file as it is: its bytes, mode and owner. A file that is not there has no text.
type content struct {
	text     []byte
	mode     fs.FileMode
	uid, gid int
	changed  time.Time // when it was written; not kept
}

// load reads a regular file of the node, nil where there is none. It does not follow a link in the place of the file, which would
// be replaced by a file when it is written.
func load(d disk, name string) (*content, error) {
	info, err := d.lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, maxFile)
	}
	file, err := d.open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	defer file.Close()
	c := &content{mode: info.Mode().Perm(), changed: info.ModTime()}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		c.uid, c.gid = int(owner.Uid), int(owner.Gid)
	}
	if c.text, err = io.ReadAll(io.LimitReader(file, maxFile)); err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	if c.text == nil {
		c.text = []byte{}
	}
	return c, nil
}

// temporary is where the bytes of a file are written before they take its place. It is in the same folder, so that a rename
// suffices, and begins with a dot, so that the kubelet does not read it as a manifest
// (https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/config/file.go, extractFromDir and file_linux.go).
func temporary(name string) string {
	return path.Join(path.Dir(name), "."+path.Base(name)+".runecast")
}

// replace gives a file new content, all of it or none: whoever reads it, and whenever the machine stops, sees the old or the new.
func replace(d disk, name string, c *content) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
	}()
	at := temporary(name)
	if err = d.remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a run that was ended
		return err
	}
	file, err := d.create(at, c.mode)
	if err != nil {
		return err
	}
	err = errors.Join(d.write(file, c.text), file.Close())
	if err == nil {
		err = own(d, at, c)
	}
	if err == nil {
		err = d.rename(at, name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(d.remove(at)))
	}
	return d.sync(path.Dir(name))
}

// own gives a file the mode, whatever the umask is, and the owner that it should have.
func own(d disk, name string, c *content) error {
	if err := d.chmod(name, c.mode); err != nil {
		return err
	}
	info, err := d.lstat(name)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && (int(owner.Uid) != c.uid || int(owner.Gid) != c.gid) {
		return d.chown(name, c.uid, c.gid)
	}
	return nil
}

// discard removes a file that may not be there.
func discard(d disk, name string) error {
	err := d.remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = d.sync(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// folder makes a folder with those that it is in, and tells those that were not there.
func folder(d disk, name string, mode fs.FileMode) (made []string, err error) {
	if name == "/" || name == "." {
		return nil, nil
	}
	info, err := d.lstat(name)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink == 0 && !info.IsDir():
		return nil, fmt.Errorf("%s is no folder", name)
	case err == nil:
		return nil, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	if made, err = folder(d, path.Dir(name), 0o755); err != nil {
		return made, err
	}
	if err := d.mkdir(name, mode); err != nil {
		return made, fmt.Errorf("make the folder %s: %w", name, err)
	}
	return append(made, name), nil
}

// absent gives the folders of a path that are not there, the outermost first.
func absent(d disk, name string) ([]string, error) {
	_, err := d.lstat(name)
	if err == nil || name == "/" {
		return nil, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look at %s: %w", name, err)
	}
	missing, err := absent(d, path.Dir(name))
	return append(missing, name), err
}
