package inventory

import (
	"cmp"
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"
)

// stdlib is the name of Go's own packages in the Go vulnerability database (https://go.dev/doc/security/vuln/database).
const stdlib = "stdlib"

// goPackages gives what a Go program is made of: Go itself, the main module and every dependency, in the version that was
// linked. The warning names what has no version that could be judged, and cannot have one: Go between two releases, modules
// that were built from a directory. damage names modules that should have one.
func goPackages(info goInfo) (pkgs []found, warning, damage string) {
	var unknown, lost []string
	if version, ok := goRelease(info.version); ok {
		pkgs = append(pkgs, found{Name: stdlib, Version: version})
	} else {
		unknown = append(unknown, fmt.Sprintf("Go itself (version %q)", info.version))
	}
	switch m := info.modules.Main; {
	case m.Path == "" || m.Version == "" || m.Version == "(devel)":
	case reNoTag.MatchString(m.Version):
		unknown = append(unknown, m.Path+" (version "+m.Version+")")
	default:
		pkgs = append(pkgs, goModule(&m))
	}
	for _, dep := range info.modules.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		switch {
		case dep.Version == "(devel)" || dep.Version == "" && isDirectory(dep.Path):
			unknown = append(unknown, dep.Path)
		case dep.Version == "":
			lost = append(lost, dep.Path)
		default:
			pkgs = append(pkgs, goModule(dep))
		}
	}
	return pkgs, nothingOf(unknown), nothingOf(lost)
}

// reNoTag is the version of a main module that was built from a commit below no tag (https://go.dev/ref/mod#pseudo-versions),
// mostly because the build had no tags at hand. It is lower than every release, so each advisory that was ever written would
// seem to be true of it; the real release is not known.
var reNoTag = regexp.MustCompile(`^v0\.0\.0-\d{14}-[0-9a-f]{12}(\+dirty)?$`)

// isDirectory tells a local replacement from a module (https://go.dev/ref/mod#go-mod-file-replace).
func isDirectory(module string) bool {
	return strings.HasPrefix(module, "./") || strings.HasPrefix(module, "../") || strings.HasPrefix(module, "/")
}

// nothingOf says of which modules no version is known.
func nothingOf(modules []string) string {
	if len(modules) == 0 {
		return ""
	}
	more := ""
	if n := len(modules); n > 5 {
		modules, more = modules[:5], fmt.Sprintf(" and %d more", n-5)
	}
	return "no version is known, and so nothing of: " + strings.Join(modules, ", ") + more
}

func goModule(m *debug.Module) found {
	return found{Name: escapeInvalid(m.Path), Version: escapeInvalid(strings.TrimPrefix(m.Version, "v"))}
}

var reGoRelease = regexp.MustCompile(`^go(1\.\d+)(\.\d+)?(?:(beta|rc)(\d+))?`)

// goRelease turns Go's version into one that the vulnerability database's semantic versions compare with: go1.22.3 is
// 1.22.3, go1.20 is 1.20, go1.21rc2 is 1.21.0-rc.2. What follows a release's number tells of a vendor, an experiment or a
// toolchain built from it (go1.22.3-vendor, go1.20.5 X:boringcrypto) and is left out. A development version is no release.
func goRelease(v string) (string, bool) {
	m := reGoRelease.FindStringSubmatch(v)
	if m == nil || strings.Contains(v, "devel") {
		return "", false
	}
	if m[3] != "" {
		return m[1] + cmp.Or(m[2], ".0") + "-" + m[3] + "." + m[4], true
	}
	return m[1] + m[2], true
}
