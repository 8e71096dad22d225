package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const maxInventoryWarnings = 100

// Merge stacks layers, lowest first, into an image's inventory. digests name the layers, in the same order. A package
// database of the finished image that cannot be read is an *Error of KindCorrupt or KindTooLarge: a part of the packages is
// never given for the whole. Merge changes no Layer and may be called with shared ones at the same time.
//
// The work grows with the layers' contents, not with their square; more links to one directory than it can be done for are an
// *Error of KindTooLarge. The context's end is returned wrapped.
func Merge(ctx context.Context, layers []*Layer, digests []string) (Inventory, error) {
	if len(layers) != len(digests) {
		return Inventory{}, fmt.Errorf("merge %d layers with %d digests", len(layers), len(digests))
	}
	o := newOverlay()
	var inv Inventory
	for i, l := range layers {
		if l == nil {
			return Inventory{}, fmt.Errorf("merge: layer %s is missing", digests[i])
		}
		if err := o.add(ctx, l, i); err != nil {
			return Inventory{}, err
		}
		inv.Warnings = append(inv.Warnings, l.warnings...)
	}
	m := merger{overlay: o, digests: digests, inv: &inv, targets: o.targets, fixed: map[string]string{}, layers: layers, owners: owners{}}
	if err := m.resolveFixed(); err != nil {
		return Inventory{}, err
	}
	m.distribution()
	if err := m.packages(ctx); err != nil {
		return Inventory{}, err
	}
	m.finish()
	return inv, nil
}

// merger turns the finished file system into an inventory.
type merger struct {
	overlay *overlay
	digests []string
	inv     *Inventory
	targets map[string]string // of links
	fixed   map[string]string // fixed path to the path that links lead to
	layers  []*Layer
	owners  owners
	claims  claims

	noRelease string // the os-release that counts and cannot be read
}

// resolveFixed follows the links at the fixed paths, but for that of a directory in a file's place.
func (m *merger) resolveFixed() error {
	files := fixedFiles()
	for _, p := range fixedPaths() {
		if slices.Contains(files, p) && m.isDirectory(p) {
			m.fixed[p] = p
			continue
		}
		end, ok := resolve(m.targets, p, nil)
		if !ok {
			return &Error{Kind: KindCorrupt, Path: p, Err: errors.New("its symbolic links form a loop")}
		}
		m.fixed[p] = end
	}
	return nil
}

// isIn tells whether a file is in the directory at a fixed path, or where links lead from there.
func (m *merger) isIn(p, fixed string) bool {
	dir := parentOf(p)
	return dir == m.fixed[fixed] || dir == fixed
}

// at gives the file at a fixed path, where its links lead.
func (m *merger) at(fixed string, kind fileKind) (placed, bool) {
	f, ok := m.overlay.files[m.fixed[fixed]]
	return f, ok && f.file.Kind == kind
}

// distribution finds os-release: etc/os-release counts before usr/lib/os-release, even where it cannot be read.
func (m *merger) distribution() {
	for _, fixed := range []string{osRelease, osReleaseUsr} {
		end := m.fixed[fixed]
		f, ok := m.at(fixed, kindOS)
		var fault string
		switch {
		case ok && f.file.Fault == "":
			if f.file.OS != nil {
				m.inv.OS = *f.file.OS
			}
			return
		case ok:
			fault = f.file.Fault
		case m.isDirectory(end):
			fault = "it is a directory and no regular file"
		default:
			continue
		}
		m.noRelease = end
		m.unread("%s: it is not read: %s: the distribution is not known", end, fault)
		return
	}
}

// isDirectory tells whether the image has a directory where no file was found that is recognised.
func (m *merger) isDirectory(p string) bool {
	tree := hashTree(p)
	for _, l := range slices.Backward(m.layers) {
		if l.dirs.has(tree[len(tree)-1]) {
			return true
		}
		if l.hides(tree) {
			return false
		}
	}
	return false
}

// packages takes the packages of every file that counts.
func (m *merger) packages(ctx context.Context) error {
	paths := slices.Sorted(maps.Keys(m.overlay.files))
	if err := m.databases(ctx, paths); err != nil {
		return err
	}
	for _, p := range paths {
		if err := gone(ctx); err != nil {
			return err
		}
		f := m.overlay.files[p]
		switch kind := f.file.Kind; {
		case kind.isLanguage() && m.owns(p, f.layer) && !hasModules(f.file):
			m.inv.Owned += len(f.file.Packages)
			continue
		case kind.isLanguage():
			m.take(p, f, "")
		case kind == kindForeign && f.file.Warning != foreignEmpty:
			m.unread("%s: the package manager that it belongs to is not supported", p)
		}
		if f.file.Unread != "" {
			m.unreadFile(p, f.file)
		}
		m.told(p, f.file)
	}
	return nil
}

// told passes on what a file's warning says, and why an os-release that does not count cannot be read.
func (m *merger) told(p string, f *file) {
	if f.Kind == kindOS && f.Fault != "" && p != m.noRelease {
		m.warn("%s: it is not read: %s", p, f.Fault)
	}
	if f.Warning != "" && !f.Kind.isDatabase() {
		m.warn("%s: %s", p, f.Warning)
	}
}

// take lists the packages of one file.
func (m *merger) take(p string, f placed, ecosystem string) {
	kind, own := typeOf(f.file.Kind)
	if own != "" {
		ecosystem = own
	}
	for i := range f.file.Packages {
		from := &f.file.Packages[i]
		m.inv.Packages = append(m.inv.Packages, Package{
			Type: kind, Ecosystem: ecosystem, Name: from.Name, Version: from.Version, Source: from.Source,
			SourceVersion: from.SourceVersion, Arch: from.Arch, Module: from.Module, Path: p, Layer: m.digests[f.layer],
		})
	}
}

// unreadFile tells of a language's file that cannot be read: the image cannot be judged where it must belong to a package.
func (m *merger) unreadFile(p string, f *file) {
	if isInstalled(p, f.Kind) {
		m.unread("%s: %s", p, f.Unread)
	} else {
		m.warn("%s: %s", p, f.Unread)
	}
}

func (m *merger) unread(format string, args ...any) {
	m.inv.Unread = append(m.inv.Unread, fmt.Sprintf(format, args...))
}

func (m *merger) warn(format string, args ...any) {
	m.inv.Warnings = append(m.inv.Warnings, fmt.Sprintf(format, args...))
}

// finish sorts, drops what is listed twice, and says what a missing database means.
func (m *merger) finish() {
	inv := m.inv
	name := cmp.Or(inv.OS.PrettyName, inv.OS.ID)
	switch {
	case len(inv.Databases) > 0 || len(inv.Unread) > 0:
	case inv.OS.ID != "": // a distribution whose database was removed hides what is installed
		m.unread("the image is of %s and has no package database", name)
	default:
		m.warn("no package database and no distribution found: only the packages of languages are listed")
	}
	inv.Unread = firstOf(inv.Unread, "of what is unread")
	slices.SortFunc(inv.Packages, comparePackages)
	inv.Packages = slices.CompactFunc(inv.Packages, samePackage)
	inv.Warnings = firstOf(inv.Warnings, "warnings")
}

// firstOf sorts texts, drops what is there twice, and leaves as many as a person reads.
func firstOf(texts []string, what string) []string {
	slices.Sort(texts)
	texts = slices.Compact(texts)
	n := len(texts) - maxInventoryWarnings
	if n <= 0 {
		return texts
	}
	return append(texts[:maxInventoryWarnings:maxInventoryWarnings], fmt.Sprintf("and %d more %s", n, what))
}

func comparePackages(a, b Package) int { //nolint:gocritic // the signature is slices.SortFunc's
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version),
		strings.Compare(a.Arch, b.Arch), strings.Compare(a.Path, b.Path))
}

// samePackage tells whether two neighbours are one: the same file may list a package twice, and a distribution's package is
// installed once, whatever number of files say so.
func samePackage(a, b Package) bool { //nolint:gocritic // the signature is slices.CompactFunc's
	distribution := a.FromDistribution()
	return a.Type == b.Type && a.Name == b.Name && a.Version == b.Version && a.Arch == b.Arch && (a.Path == b.Path || distribution)
}
