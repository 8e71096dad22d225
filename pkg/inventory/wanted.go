package inventory

import (
	"archive/tar"
	"path"
	"strings"
)

// Wanted tells whether an entry's contents can have packages in them, so that a reader that can leave out contents must bring
// them. It is what a scan of entries asks; a scan of a whole stream looks at every file's first bytes besides.
//
// Wanted are the files that a scan recognises by their names, and what may be a program: regular files that anyone may execute,
// and those named as libraries and as programs of Windows, which need no permission to be run. A Go program that has
// neither is found in a whole stream alone.
func Wanted(h *tar.Header) bool {
	if !isRegular(h.Typeflag) {
		return false
	}
	p := cleanPath(h.Name)
	if what, _ := whiteout(p); what != notWhiteout {
		return false
	}
	return classify(p) != kindNone || h.Size >= goHeader && (h.Mode&0o111 != 0 || isLibraryName(p))
}

func isRegular(kind byte) bool {
	return kind == tar.TypeReg || kind == tar.TypeCont || kind == tar.TypeGNUSparse
}

// isLibraryName recognises libx.so, libx.so.1.2, x.dll, x.exe and x.dylib.
func isLibraryName(p string) bool {
	base := path.Base(p)
	switch path.Ext(base) {
	case ".so", ".dll", ".exe", ".dylib":
		return true
	}
	return strings.Contains(base, ".so.")
}
