package inventory

import (
	"archive/tar"
	"context"
	"path"
	"slices"
	"strings"
)

// needsSecond tells, after the first pass, whether the layer has to be read again: for hard links with a telling name, for
// what a link at a fixed path leads to under a name that tells nothing, for what directories show again, and for programs of before Go 1.18, of Rust or of .NET.
func (s *scanner) needsSecond() (bool, error) {
	s.dropUnheld()
	for _, fixed := range fixedPaths() {
		end, ok := resolve(s.links, fixed, nil)
		if ok && end != fixed && kindAt(end) != kindAt(fixed) {
			s.aliases = append(s.aliases, alias{end: end, fixed: fixed})
		}
	}
	if len(s.aliases) > 0 {
		if err := s.wantAliased(); err != nil {
			return false, err
		}
	}
	s.findRecreated()
	return len(s.wanted)+len(s.aliases)+len(s.pointers)+len(s.again) > 0, nil
}

// dropUnheld drops the hard links of which every name was replaced.
func (s *scanner) dropUnheld() {
	if len(s.wanted) == 0 {
		return
	}
	held := make(map[*contents]struct{}, len(s.files))
	for _, c := range s.files {
		held[c] = struct{}{}
	}
	for p, links := range s.wanted {
		links = slices.DeleteFunc(links, func(w wantedLink) bool { _, ok := held[w.contents]; return !ok })
		if s.wanted[p] = links; len(links) == 0 {
			delete(s.wanted, p)
		}
	}
}

// wantAliased has the hard links read that links at a fixed path lead to.
func (s *scanner) wantAliased() error {
	for p, node := range s.inodes {
		as, kind := s.aliasOf(p)
		if kind == kindNone {
			continue
		}
		c := notRead(kind, "it is a hard link to %s, which the layer does not have as a file", node.path)
		s.want(node, as, c)
		if err := s.keep(p, hashPath(p), c); err != nil {
			return err
		}
	}
	return nil
}

// kindAt gives the kind of a fixed path; for a directory, that of the files in it.
func kindAt(p string) fileKind {
	for _, try := range []string{p, p + "/x.list", p + "/x", p + "/Packages"} {
		if kind := classify(try); kind != kindNone {
			return kind
		}
	}
	return kindNone
}

// second handles an entry of the second pass.
func (s *scanner) second(ctx context.Context, e *entry) error {
	if to, ok := s.moved[e.number]; ok {
		e.path = to
	}
	if len(s.again) > 0 {
		s.lapse(e)
	}
	if !isRegular(e.header.Typeflag) {
		return s.secondIrregular(e)
	}
	if pending, ok := s.pointers[e.number]; ok {
		ranges := []*capture{pending.rust}
		if pending.bundle != nil {
			ranges = append(ranges, pending.bundle.deps)
		}
		info, err := s.golang.second(&e.r, pending.pointer, ranges...)
		if e.r.err != nil {
			return err
		}
		if err != nil {
			pending.contents.damaged(pending.elf, err.Error())
		}
		if pending.pointer != nil {
			pending.contents.addGo(info, pending.elf)
		}
		pending.finish(ctx)
		delete(s.pointers, e.number)
		s.kept += pending.contents.size()
		return s.checkSize()
	}
	links := s.wanted[e.path]
	if len(links) == 0 {
		return s.readAlias(ctx, e)
	}
	return s.readWanted(ctx, e, links)
}

// secondIrregular notes what took the place of a file that the second pass is for, so that no earlier one is taken for it.
func (s *scanner) secondIrregular(e *entry) error {
	is := "the layer does not have as a file"
	if flag := e.header.Typeflag; flag != tar.TypeLink && flag != tar.TypeSymlink {
		is = "is " + typeName(flag) + " and no regular file"
	}
	for _, w := range s.wanted[e.path] {
		if e.number < w.before {
			*w.contents = *notRead(w.contents.Kind, "it is a hard link to %s, which %s", e.path, is)
		}
	}
	as, kind := s.aliasOf(e.path)
	switch e.header.Typeflag {
	case tar.TypeLink, tar.TypeSymlink: // where these lead is known
		return nil
	case tar.TypeDir:
		if _, read := s.aliased[e.path]; read {
			delete(s.files, e.path)
		}
		return nil
	}
	if kind == kindNone || classify(as) != kind {
		return nil
	}
	s.aliased[e.path] = struct{}{}
	return s.keep(e.path, hashPath(e.path), notRead(kind, "it is %s and no regular file", typeName(e.header.Typeflag)))
}

// readWanted reads a file for the hard links to it.
func (s *scanner) readWanted(ctx context.Context, e *entry, links []wantedLink) error {
	var shared *contents
	for _, w := range links {
		if w.before < e.number {
			continue
		}
		if shared == nil || shared.Kind != w.contents.Kind {
			c, err := s.read(ctx, w.contents.Kind, w.as, e)
			if err != nil {
				return err
			}
			shared = c
		}
		*w.contents = *shared
		s.kept += shared.size()
		if err := s.checkSize(); err != nil {
			return err
		}
	}
	if shared == nil {
		return s.readAlias(ctx, e)
	}
	return nil
}

// readAlias reads a file that links at a fixed path lead to.
func (s *scanner) readAlias(ctx context.Context, e *entry) error {
	as, kind := s.aliasOf(e.path)
	if kind == kindNone {
		return nil
	}
	c, err := s.read(ctx, kind, as, e)
	if err != nil {
		return err
	}
	s.aliased[e.path] = struct{}{}
	return s.keep(e.path, hashPath(e.path), c)
}

// aliasOf gives as what a file is to be read that links at a fixed path lead to; kindNone: it is none, or is read already.
func (s *scanner) aliasOf(p string) (as string, kind fileKind) {
	for _, a := range s.aliases {
		as = a.fixed
		if p != a.end {
			rest, below := strings.CutPrefix(p, a.end+"/")
			if !below {
				continue
			}
			as = path.Join(a.fixed, rest)
		}
		kind = classify(as)
		if _, again := s.aliased[p]; kind == kindNone || s.files[p] != nil && !again && !s.files[p].Kind.isProgram() {
			continue
		}
		return as, kind
	}
	return "", kindNone
}

func (s *scanner) checkSize() error {
	if s.kept > maxResult {
		return tooLargeResult()
	}
	return nil
}

// layer gives the result.
func (s *scanner) layer() *Layer {
	l := &Layer{links: s.linksOfInterest()}
	l.replaced, l.dirs, l.opaque = s.settle()
	for link := range s.links {
		if _, kept := l.links[link]; !kept {
			s.others = append(s.others, hashPath(link))
		}
	}
	l.others = newPathSet(s.others)
	for p, c := range s.files {
		l.files = append(l.files, file{Path: p, contents: *c})
	}
	slices.SortFunc(l.files, func(a, b file) int { return strings.Compare(a.Path, b.Path) })
	if s.lostLink != "" {
		l.warnings = append(l.warnings, "there are too many symbolic links: from "+s.lostLink+" on they are not followed")
	}
	return l
}

// linksOfInterest drops the links that lead nowhere of interest: kept are those that a fixed path goes through, those at the
// root such as bin → usr/bin, and those to a file that was recognised or to a directory above one. Links in node_modules
// only join what is recognised anyway.
func (s *scanner) linksOfInterest() map[string]string {
	keep := map[string]string{}
	note := func(link string) { keep[link] = s.links[link] }
	for _, fixed := range fixedPaths() {
		resolve(s.links, fixed, note)
	}
	for link, target := range s.links {
		if !strings.Contains(link, "/") || isFixedOrAbove(link) || classify(link) == kindOS || s.leadsToFile(link, target) {
			note(link)
		}
	}
	return keep
}

func (s *scanner) leadsToFile(link, target string) bool {
	if strings.HasPrefix(link, "node_modules/") || strings.Contains(link, "/node_modules/") {
		return false
	}
	end := linkTarget(link, target)
	_, above := s.above[hashPath(end)]
	return above || s.files[end] != nil
}

// isFixedOrAbove tells whether a fixed path is at or below a path.
func isFixedOrAbove(p string) bool {
	return slices.ContainsFunc(fixedPaths(), func(fixed string) bool { return fixed == p || strings.HasPrefix(fixed, p+"/") })
}
