package inventory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// rpmExtractor reads rpm's database in the three forms that rpm has had: SQLite (rpmdb.sqlite), rpm's own (Packages.db) and
// Berkeley DB (Packages). Each holds one header per package (https://rpm-software-management.github.io/rpm/manual/format.html).
//
// All three are read by this package's own readers, which visit no page twice and run no code of a database engine on what an
// image brings. They need any part of the file at any time, so one over maxRPMMemory lies in a temporary file while it is read.
type rpmExtractor struct{}

const (
	maxRPMMemory = 1 << 20  // databases up to this are read in memory
	maxRPMHeader = 32 << 20 // one package's header
)

// rpmFile is a database's file; each page of it may be read once.
type rpmFile struct {
	at     io.ReaderAt
	size   int64
	budget int64 // bytes that may still be read: a sound database is read no more than once
}

// read gives a part of the file. What is read twice, or beyond the end, is an error.
func (f *rpmFile) read(offset, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > f.size || n > f.size-offset {
		return nil, fmt.Errorf("it is cut short: it has %d bytes and refers to %d at %d", f.size, n, offset)
	}
	if f.budget -= n; f.budget < 0 {
		return nil, errors.New("its parts overlap or refer to each other in a loop")
	}
	b := make([]byte, n)
	if _, err := f.at.ReadAt(b, offset); err != nil {
		return nil, &localError{fmt.Errorf("read a temporary file: %w", err)}
	}
	return b, nil
}

func (rpmExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	switch {
	case c.size == 0:
		return contents{Warning: foreignEmpty}, nil
	case strings.HasSuffix(c.path, rpmJournal):
		return contents{}, errors.New("it has changes that are not in the database yet")
	}
	f, done, err := spoolRPM(c.r, c.size)
	if err != nil {
		return contents{}, err
	}
	defer done()
	db := rpmPackages{owned: map[string][]uint64{}}
	if err := f.headers(ctx, db.add); err != nil {
		return contents{}, err
	}
	if len(db.found) == 0 {
		return contents{Warning: foreignEmpty}, nil
	}
	return contents{Packages: db.found, Owned: newPathSet(db.owned[db.vendor])}, nil
}

// spoolRPM makes a file of a stream. done gives it up.
func spoolRPM(r io.Reader, size int64) (f *rpmFile, done func(), err error) {
	f = &rpmFile{size: size, budget: size + size/2 + 1<<16} // page 0 and the last page are read more than once
	file, err := newSpool(r, size, maxRPMMemory)
	if err != nil {
		return nil, nil, err
	}
	if file.size != size {
		file.close()
		return nil, nil, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
	}
	f.at = file
	return f, file.close, nil
}

// headers hands every package's header to do.
func (f *rpmFile) headers(ctx context.Context, do func([]byte) error) error {
	head, err := f.read(0, min(f.size, 512))
	if err != nil {
		return err
	}
	each := func(header []byte) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return do(header)
	}
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return readRPMSQLite(f, head, each)
	case bytes.HasPrefix(head, []byte("RpmP")):
		return readRPMNDB(f, head, each)
	case len(head) == 512 && (binary.LittleEndian.Uint32(head[12:]) == bdbHashMagic || binary.BigEndian.Uint32(head[12:]) == bdbHashMagic):
		return readRPMBDB(f, head, each)
	}
	return errors.New("it is of no form that rpm databases have")
}

// rpmPackages collects what the headers of a database say.
type rpmPackages struct {
	found  []found
	owned  map[string][]uint64 // by vendor
	hashes int
	listed int    // bytes of found, about
	vendor string // of the package that has os-release, which is the distribution itself
}

func (p *rpmPackages) add(blob []byte) error {
	h, err := parseRPMHeader(blob)
	if err != nil {
		return err
	}
	name, err := h.text(rpmTagName)
	if err != nil {
		return err
	}
	if name == "gpg-pubkey" { // a key that signs packages, kept as if it were one
		return nil
	}
	f, err := h.found(name)
	if err != nil {
		return err
	}
	p.found, p.listed = append(p.found, f), p.listed+f.size()
	switch {
	case len(p.found) > maxPackages:
		return errManyPackages
	case p.listed > maxResult:
		return tooLargeResult()
	}
	vendor, err := h.text(rpmTagVendor)
	if err != nil {
		return err
	}
	vendor = rpmVendor(vendor)
	return h.files(func(file string) error {
		if file == osRelease || file == osReleaseUsr {
			p.vendor = vendor
		}
		if vendor == "" || !mayOwn(file) {
			return nil
		}
		p.owned[vendor] = append(p.owned[vendor], hashPath(file))
		if p.hashes++; p.hashes*8 > maxResult {
			return tooLargeResult()
		}
		return nil
	})
}

// rpmVendor gives one word for each distributor: openSUSE takes SUSE's own packages into its releases.
func rpmVendor(vendor string) string {
	if strings.HasPrefix(vendor, "SUSE LLC") || vendor == "openSUSE" {
		return "SUSE"
	}
	return vendor
}

// found gives the package of a header: rpm's versions are epoch:version-release, where no epoch is one of 0. A source package's
// name and version are told by its file's name, which has no epoch; that of the package stands for it.
func (h *rpmHeader) found(name string) (found, error) {
	version, versionErr := h.text(rpmTagVersion)
	release, releaseErr := h.text(rpmTagRelease)
	arch, archErr := h.text(rpmTagArch)
	source, sourceErr := h.text(rpmTagSource)
	epoch, hasEpoch, epochErr := h.number(rpmTagEpoch)
	label, labelErr := h.text(rpmTagModule)
	if err := errors.Join(versionErr, releaseErr, archErr, sourceErr, epochErr, labelErr); err != nil {
		return found{}, err
	}
	if !hasEpoch {
		epoch = 0
	}
	f, err := rpmFound(name, version, release, source, epoch)
	f.Arch = arch
	if module := strings.SplitN(label, ":", 3); len(module) > 1 {
		f.Module = module[0] + ":" + module[1]
	}
	return f, err
}

// rpmFound gives a package by what rpm tells of it; source is the file name of its source package.
func rpmFound(name, version, release, source string, epoch uint32) (found, error) {
	if name == "" || version == "" || release == "" {
		return found{}, fmt.Errorf("a package has no name, version or release: %.100q %.100q %.100q", name, version, release)
	}
	prefix := ""
	if epoch != 0 {
		prefix = strconv.FormatUint(uint64(epoch), 10) + ":"
	}
	f := found{Name: name, Version: prefix + version + "-" + release}
	if parts := strings.Split(strings.TrimSuffix(strings.TrimSuffix(source, ".src.rpm"), ".nosrc.rpm"), "-"); len(parts) > 2 {
		n := len(parts)
		f.Source, f.SourceVersion = strings.Join(parts[:n-2], "-"), prefix+parts[n-2]+"-"+parts[n-1]
	}
	if f.Source == f.Name {
		f.Source = ""
	}
	if f.SourceVersion == f.Version {
		f.SourceVersion = ""
	}
	return f, nil
}

// rpmNames are a database's file names, the newest form first; rpm reads the one that it is set to, which is the newest.
func rpmNames() []string { return []string{"rpmdb.sqlite", "Packages.db", "Packages"} }

// isActiveRPM tells whether a database is one that the image's rpm reads.
func (m *merger) isActiveRPM(p string) bool {
	dir := parentOf(p)
	if !m.isIn(p, rpmVar) && !m.isIn(p, rpmSysimage) {
		return false
	}
	for _, name := range rpmNames() {
		f, ok := m.overlay.files[path.Join(dir, name)]
		if ok && f.file.Kind == kindRPM && f.file.Warning != foreignEmpty {
			return path.Base(p) == name || name == rpmNames()[0] && path.Base(p) == name+rpmJournal && m.overlay.files[p].file.Fault != ""
		}
	}
	return false
}

// isRPM tells whether a file is named as an rpm database, or as what SQLite keeps beside one.
func isRPM(dir, base string) bool {
	return hasSuffixPath(dir, "rpm") && (slices.Contains(rpmNames(), base) || base == rpmNames()[0]+rpmJournal)
}
