package inventory

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// Names with a meaning in layers: https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
	maxHops        = 40 // symbolic links followed for one path, as Linux does
)

// cleanPath gives a tar entry's name as a path below the image's root, without a leading slash; the root itself is empty.
// ".." never leads above the root. Bytes that are not UTF-8 are written as \xNN, so that JSON keeps distinct names distinct.
func cleanPath(name string) string {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if name == "." {
		return ""
	}
	if name == ".." || strings.HasPrefix(name, "../") {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
	}
	return escapeInvalid(name)
}

func escapeInvalid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[0])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// deletion is what a whiteout does to the layers below.
type deletion int

const (
	notWhiteout  deletion = iota
	deletes               // the named path and all below it
	opaque                // all below the named directory
	meaningless           // a reserved name that deletes nothing
	parentPrefix = ".."
)

// whiteout tells whether a clean path is a whiteout, and of which path.
func whiteout(p string) (deletion, string) {
	dir, base := path.Split(p)
	if !strings.HasPrefix(base, whiteoutPrefix) {
		return notWhiteout, ""
	}
	dir = strings.TrimSuffix(dir, "/")
	name := strings.TrimPrefix(base, whiteoutPrefix)
	switch {
	case base == whiteoutOpaque:
		return opaque, dir
	case strings.HasPrefix(base, whiteoutMeta), name == "", name == ".", name == parentPrefix:
		return meaningless, ""
	}
	return deletes, path.Join(dir, name)
}

// resolve follows symbolic links in every component of a path, never leaving the root. links maps clean paths to targets as
// written in the layer. follow, where not nil, is told of each link that is used. ok is false for a loop, and for a path that grows
// longer than any.
func resolve(links map[string]string, p string, follow func(link string)) (resolved string, ok bool) {
	if len(links) == 0 {
		return p, true
	}
	done, rest := "", p
	for hops := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if part == "" || part == "." {
			continue
		}
		if part == parentPrefix {
			done = parentOf(done)
			continue
		}
		next := path.Join(done, part)
		if len(next) > maxPath {
			return "", false
		}
		target, isLink := links[next]
		if !isLink {
			done = next
			continue
		}
		if hops++; hops > maxHops {
			return "", false
		}
		if follow != nil {
			follow(next)
		}
		if strings.HasPrefix(target, "/") {
			done = ""
		}
		rest = strings.TrimSuffix(target+"/"+rest, "/")
	}
	return done, true
}

// linkTarget gives where a link leads by its text alone.
func linkTarget(link, target string) string {
	if strings.HasPrefix(target, "/") {
		return cleanPath(target)
	}
	return cleanPath(parentOf(link) + "/" + target)
}

// parentOf gives a clean path's directory; that of a path at the root is empty.
func parentOf(p string) string {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)]
}
