package inventory

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
)

// databases takes the distribution's packages and notes which files they own.
func (m *merger) databases(ctx context.Context, paths []string) error {
	var lists []string
	for _, p := range paths {
		if err := gone(ctx); err != nil {
			return err
		}
		f := m.overlay.files[p]
		if f.file.Kind == kindDpkgList && m.isIn(p, dpkgInfo) {
			lists = append(lists, p)
			continue
		}
		if f.file.Kind == kindDpkgSums && m.isIn(p, dpkgStatusD) {
			m.owners.add(f.layer, f.file.Owned)
			continue
		}
		if !m.isActive(p, f.file.Kind) {
			continue
		}
		if (f.file.Kind == kindRPM || f.file.Kind == kindManifest) && f.file.Fault != "" {
			m.unread("%s: it is not read: %s", p, f.file.Fault)
			continue
		}
		if f.file.Fault != "" {
			return &Error{Kind: f.file.Fatal, Path: p, Err: errors.New(f.file.Fault)}
		}
		switch f.file.Kind { //nolint:exhaustive // dpkg lists the files of its packages elsewhere
		case kindAPK:
			m.claims.add(m.layers, kindAPK, p, apkInstalled, apkUsrMerged)
		case kindRPM:
			m.claims.add(m.layers, kindRPM, p, path.Join(rpmVar, path.Base(p)), path.Join(rpmSysimage, path.Base(p)))
		}
		m.inv.Databases = append(m.inv.Databases, p)
		m.take(p, f, m.ecosystem(f.file.Kind))
	}
	m.ownLists(lists)
	m.owners.sort()
	m.danglingDatabases()
	m.blockedDatabases()
	return nil
}

// ownLists notes the files of dpkg's packages. In Debian and Ubuntu themselves only their own packages count.
func (m *merger) ownLists(lists []string) {
	own := map[string]bool{}
	if db, ok := m.at(dpkgStatus, kindDpkg); ok {
		for i := range db.file.Packages {
			p := &db.file.Packages[i]
			own[p.Name] = own[p.Name] || !p.Vendor
		}
	}
	for _, p := range lists {
		name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(p), ".list"), ":") // libc6:amd64.list
		if f := m.overlay.files[p]; own[name] || m.inv.OS.ID != "debian" && m.inv.OS.ID != "ubuntu" {
			m.owners.add(f.layer, f.file.Owned)
		}
	}
}

// isActive tells whether a database is one that the package manager of the image reads. What is at a fixed path itself counts beside what links
// lead to from there: it is either that, or of a directory of which is not certain what shows.
func (m *merger) isActive(p string, kind fileKind) bool {
	switch kind {
	case kindDpkg:
		return p == m.fixed[dpkgStatus] || p == dpkgStatus
	case kindDpkgPart:
		return m.isIn(p, dpkgStatusD)
	case kindRPM:
		return m.isActiveRPM(p)
	case kindManifest:
		return p == m.fixed[rpmManifest] || p == rpmManifest
	case kindAPK:
		return p == m.fixed[apkInstalled] || p == m.fixed[apkUsrMerged] || p == apkInstalled || p == apkUsrMerged
	default:
		return false
	}
}

// danglingDatabases tells of a database's path that links lead away from, to where nothing was read.
func (m *merger) danglingDatabases() {
	for _, db := range []struct {
		fixed, above string // above: the directory that other things than the database are in, such as lib, a link in many images
		kind         fileKind
	}{{dpkgStatus, "var/lib", kindDpkg}, {apkInstalled, "lib", kindAPK}} {
		end := m.fixed[db.fixed]
		above, _ := resolve(m.targets, db.above, nil)
		led := end != strings.TrimPrefix(above+db.fixed[len(db.above):], "/")
		if _, ok := m.at(db.fixed, db.kind); !ok && (led || kindAt(end) != db.kind) {
			m.unread("%s: links lead to %s, where no package database was read", db.fixed, end)
		}
	}
	for _, fixed := range fixedPaths() {
		if link := m.unfollowed(m.fixed[fixed]); link != "" && m.fixed[fixed] != fixed {
			m.unread("%s: links lead to %s, below another link, %s, that is not followed", fixed, m.fixed[fixed], link)
		}
	}
	if len(m.layers) == 1 {
		return
	}
	for _, fixed := range []string{dpkgStatusD, rpmVar, rpmSysimage} {
		if end := m.fixed[fixed]; end != fixed && kindAt(end) != kindAt(fixed) {
			m.unread("%s: links lead to %s, where the package databases of other layers are not recognised", fixed, end)
		}
	}
}

// unfollowed gives the first part of a path that is a symbolic link of which no more is known.
func (m *merger) unfollowed(p string) string {
	tree := hashTree(p)
	for i, at := 1, 0; i < len(tree); i++ {
		if at = strings.IndexByte(p[at:]+"/", '/') + at; m.isOther(tree[:i+1]) {
			return p[:at]
		}
		at++
	}
	return ""
}

func (m *merger) isOther(tree []uint64) bool {
	for _, l := range slices.Backward(m.layers) {
		if l.others.has(tree[len(tree)-1]) {
			return true
		}
		if l.hides(tree) {
			return false
		}
	}
	return false
}

// blockedDatabases tells of directories in the place of a database.
func (m *merger) blockedDatabases() {
	ends := []string{m.fixed[dpkgStatus], m.fixed[apkInstalled], m.fixed[apkUsrMerged], m.fixed[rpmManifest]}
	for _, name := range rpmNames() {
		ends = append(ends, path.Join(m.fixed[rpmVar], name), path.Join(m.fixed[rpmSysimage], name))
	}
	for _, end := range ends {
		if _, ok := m.overlay.files[end]; !ok && m.isDirectory(end) {
			m.unread("%s: it is a directory and no package database", end)
		}
	}
}

// ecosystem gives that of the distribution's packages, and warns where there is none.
func (m *merger) ecosystem(kind fileKind) string {
	eco, reason := ecosystemOf(m.inv.OS, kind)
	if reason != "" {
		m.warn("%s: the vulnerabilities of its packages are not known", reason)
	}
	return eco
}
