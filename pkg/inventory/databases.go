package inventory

import (
	"context"
	"errors"
	"path"
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
		if f.file.Kind == kindDpkgList && parentOf(p) == m.fixed[dpkgInfo] {
			lists = append(lists, p)
			continue
		}
		if f.file.Kind == kindDpkgSums && parentOf(p) == m.fixed[dpkgStatusD] {
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

// isActive tells whether a database is one that the package manager of the image reads.
func (m *merger) isActive(p string, kind fileKind) bool {
	switch kind {
	case kindDpkg:
		return p == m.fixed[dpkgStatus]
	case kindDpkgPart:
		return parentOf(p) == m.fixed[dpkgStatusD]
	case kindRPM:
		return m.isActiveRPM(p)
	case kindManifest:
		return p == m.fixed[rpmManifest]
	case kindAPK:
		return p == m.fixed[apkInstalled] || p == m.fixed[apkUsrMerged]
	default:
		return false
	}
}

// danglingDatabases warns of a database's path that links lead away from, to where nothing was read.
func (m *merger) danglingDatabases() {
	for fixed, kind := range map[string]fileKind{dpkgStatus: kindDpkg, apkInstalled: kindAPK} {
		end := m.fixed[fixed]
		if _, ok := m.at(fixed, kind); !ok && kindAt(end) != kind {
			m.unread("%s: links lead to %s, where no package database was read", fixed, end)
		}
	}
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
