package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// debian makes a file system of Debian 12 with packages of the main archive alone, which is therefore naturally vulnerable.
func debian(ctx context.Context, dir string, packages ...string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // made by an earlier run
	}
	fmt.Fprintln(os.Stderr, "making", dir, "by debootstrap")
	made := dir + ".part"
	if err := os.RemoveAll(made); err != nil {
		return err
	}
	commands := [][]string{{"debootstrap", "--variant=minbase", "bookworm", made}}
	if len(packages) > 0 { // by apt: debootstrap knows nothing of packages that others provide, as npm's dependencies are
		commands = append(commands, []string{"chroot", made, "apt-get", "update"},
			append([]string{"chroot", made, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"}, packages...),
			[]string{"chroot", made, "sh", "-c", "rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*"})
	}
	for _, args := range commands {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s (needs root and debootstrap): %w\n%s", strings.Join(args, " "), err, tail(out))
		}
	}
	return os.Rename(made, dir)
}

// packer writes files as a layer.
type packer struct {
	tar   *tar.Writer
	links map[uint64]string // first path of an inode that has several
	dirs  map[string]bool   // that were written with files that are not on disk
	total int64             // bytes of files
}

// packTree stores what a predicate takes of a directory as a gzip layer in a file; a layer that is there already is left.
func packTree(root, target string, take func(path string) bool) error {
	return packLayer(target, func(p *packer) error {
		return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			inside, err := filepath.Rel(root, path)
			if err != nil || inside == "." || !entry.IsDir() && !take(inside) {
				return err
			}
			return p.add(path, inside, entry)
		})
	})
}

func packLayer(target string, fill func(*packer) error) error {
	if _, err := os.Stat(target); err == nil {
		return nil
	}
	file, err := os.Create(filepath.Clean(target + ".part"))
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(file)
	p := &packer{tar: tar.NewWriter(zip), links: map[uint64]string{}, dirs: map[string]bool{}}
	err = fill(p)
	for _, c := range []io.Closer{p.tar, zip, file} {
		if closing := c.Close(); err == nil {
			err = closing
		}
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", target, err)
	}
	return os.Rename(file.Name(), target)
}

func (p *packer) add(path, inside string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	if info.Mode()&(fs.ModeSocket|fs.ModeDevice) != 0 {
		return nil
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(inside)
	header.Uname, header.Gname = "", ""
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Nlink > 1 && info.Mode().IsRegular() {
		if first, seen := p.links[stat.Ino]; seen {
			header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
		} else {
			p.links[stat.Ino] = header.Name
		}
	}
	if err = p.tar.WriteHeader(header); err != nil || header.Typeflag != tar.TypeReg {
		return err
	}
	in, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	n, err := io.Copy(p.tar, in)
	p.total += n
	return err
}

// write adds a file that is not on disk, and the directories above it: Syft finds some files by their directories' entries.
func (p *packer) write(path, body string, mode int64) error {
	for i, char := range path {
		if dir := path[:i]; char == '/' && !p.dirs[dir] {
			p.dirs[dir] = true
			if err := p.tar.WriteHeader(&tar.Header{Name: dir + "/", Mode: 0o755, Typeflag: tar.TypeDir}); err != nil {
				return err
			}
		}
	}
	header := &tar.Header{Name: path, Mode: mode, Size: int64(len(body)), Typeflag: tar.TypeReg}
	if err := p.tar.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.WriteString(p.tar, body)
	return err
}
