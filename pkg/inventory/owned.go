package inventory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
)

// Distribution packages carry language packages, such as Debian's python3-django, whose fixes come in the distribution's
// versions. Such a package is reported once, as the distribution's: what a language's advisories say of its upstream
// version is not true of it. So the files that belong to distribution packages are noted, as far as they can be language
// metadata or programs.

// listExtractor reads dpkg's list of the files and directories of one package: absolute paths, a line each.
type listExtractor struct{}

func (listExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	var hashes []uint64
	var last string
	note := func(next string) {
		if last != "" && !strings.HasPrefix(next, last+"/") && mayOwn(last) { // directories come before what is in them
			hashes = append(hashes, hashPath(last))
		}
		last = next
	}
	err := eachLine(ctx, newLineReader(c.r, c.size), func(line []byte) { note(cleanPath(string(line))) }, &hashes)
	note("")
	return contents{Owned: newPathSet(hashes)}, err
}

// sumsExtractor reads the checksum list of one package of a distroless image: checksum, blanks, path below the root.
type sumsExtractor struct{}

func (sumsExtractor) extract(ctx context.Context, c candidate) (contents, error) {
	var hashes []uint64
	err := eachLine(ctx, newLineReader(c.r, c.size), func(line []byte) {
		_, name, ok := bytes.Cut(line, []byte(" "))
		if p := cleanPath(strings.TrimSpace(string(name))); ok && mayOwn(p) {
			hashes = append(hashes, hashPath(p))
		}
	}, &hashes)
	return contents{Owned: newPathSet(hashes)}, err
}

func eachLine(ctx context.Context, lines *lineReader, do func([]byte), hashes *[]uint64) error {
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if do(line); len(*hashes)*8 > maxResult {
			return tooLargeResult()
		}
		if lines.number%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// isDistributors tells from a field of a package in dpkg's database that it was made by Debian or Ubuntu, whose advisories
// cover what is in it. Vendors' packages (NodeSource's nodejs, docker-ce) are in the same database and in nobody's advisories.
func isDistributors(field, value []byte) bool {
	for _, name := range []string{"Maintainer", "Original-Maintainer", "Origin", "Source"} {
		if !bytes.EqualFold(field, []byte(name)) {
			continue
		}
		for _, domain := range []string{"debian.org", "ubuntu.com", "canonical.com"} {
			if bytes.Contains(value, []byte(domain)) {
				return true
			}
		}
	}
	return false
}

// mayOwn tells whether it can matter that a distribution package owns a path.
func mayOwn(p string) bool {
	if classify(p).isLanguage() {
		return true
	}
	for _, prefix := range []string{"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/zoneinfo/", "etc/"} {
		if strings.HasPrefix(p, prefix) {
			return false
		}
	}
	return !isPlain(p)
}

// hasModules tells whether a file is a Go program that names its modules. Those are listed whoever owns the program: a
// distribution's advisories about the source of a Go library say nothing of the programs that have it linked in, and vendors' own packages (docker-ce,
// kubectl) are in no distribution's advisories at all. Debian builds its own programs without modules; of them
// only Go itself is known, in a version that the distribution patches. A Rust program that names its crates is as the first,
// and so is a .NET program that is one file.
func hasModules(f *file) bool {
	return f.Kind == kindRust || f.Kind == kindBundle || f.Kind == kindGo && slices.ContainsFunc(f.Packages, func(p found) bool { return p.Name != stdlib })
}

// isForeignPlace tells whether a path is where distributions install nothing (Filesystem Hierarchy Standard 3.0, sections
// 3.13 and 4.9): a package that owns files there comes from somebody else, and its contents are in no distribution's advisories.
func isForeignPlace(p string) bool {
	return strings.HasPrefix(p, "opt/") || strings.HasPrefix(p, "usr/local/") || strings.HasPrefix(p, "srv/")
}

// owners are the paths that the distribution's packages own, by the layer that brought the list of them.
type owners map[int]pathSet

func (o owners) add(layer int, paths pathSet) { o[layer] = append(o[layer], paths...) }

// sort makes sets of what was added.
func (o owners) sort() {
	for layer, paths := range o {
		o[layer] = newPathSet(paths)
	}
}

// own tells whether a file of a layer belongs to a package. A list tells nothing of files that came in a later layer: npm, for
// one, replaces itself where a distribution's package put it.
func (o owners) own(p string, layer int) bool {
	for brought, paths := range o {
		if brought >= layer && isOwned(paths, p) {
			return true
		}
	}
	return false
}

// claim is what apk's or rpm's database says in one layer that has it.
type claim struct {
	layer int
	paths pathSet
}

// claims are those of an image, lowest layer first.
type claims []claim

// add takes the claims of every layer's version of the database that is now at one of its paths.
func (c *claims) add(layers []*Layer, kind fileKind, paths ...string) {
	if len(*c) > 0 { // of the other place that apk or rpm knows
		return
	}
	for i, l := range layers {
		for at := range l.files {
			f := &l.files[at]
			if f.Kind != kind || !slices.Contains(paths, f.Path) {
				continue
			}
			if last := len(*c) - 1; last >= 0 && (*c)[last].layer == i {
				(*c)[last].paths = newPathSet(slices.Concat((*c)[last].paths, f.Owned))
			} else {
				*c = append(*c, claim{layer: i, paths: f.Owned})
			}
		}
	}
}

// own tells whether a file of a layer belongs to a package. apk and rpm write their whole database anew in each layer that it runs in, so
// that the last one tells nothing of when a package came: a file that is younger than the package is its own only where
// apk or rpm ran in the file's layer.
func (c claims) own(p string, layer int) bool {
	since := -1
	for i := len(c) - 1; i >= 0 && isOwned(c[i].paths, p); i-- {
		if since = c[i].layer; since == layer {
			return true
		}
	}
	return since >= layer
}

// owns tells whether a file of a layer belongs to a package of the distribution.
func (m *merger) owns(p string, layer int) bool {
	return m.owners.own(p, layer) || m.claims.own(p, layer)
}

// isOwned tells whether any set has a path, as it is or as it was before /bin, /sbin and /lib* became links into /usr:
// packages list /bin/x where the file is usr/bin/x (https://wiki.debian.org/UsrMerge).
func isOwned(owned pathSet, p string) bool {
	if isForeignPlace(p) {
		return false
	}
	if owned.has(hashPath(p)) {
		return true
	}
	short := strings.TrimPrefix(p, "usr/")
	top, _, _ := strings.Cut(short, "/")
	if top != "bin" && top != "sbin" && !strings.HasPrefix(top, "lib") {
		return false
	}
	return short != p && owned.has(hashPath(short)) || short == p && owned.has(hashPath("usr/"+p))
}
