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
// linked. The warning names what has no version that could be judged.
func goPackages(info goInfo) (pkgs []found, warning string) {
	var unknown []string
	if version, ok := goRelease(info.version); ok {
		pkgs = append(pkgs, found{Name: stdlib, Version: version})
	} else {
		unknown = append(unknown, fmt.Sprintf("Go itself (version %q)", info.version))
	}
	if m := info.modules.Main; m.Path != "" && m.Version != "" && m.Version != "(devel)" {
		pkgs = append(pkgs, goModule(&m))
	}
	for _, dep := range info.modules.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		if dep.Version == "" || dep.Version == "(devel)" {
			unknown = append(unknown, dep.Path)
			continue
		}
		pkgs = append(pkgs, goModule(dep))
	}
	if len(unknown) > 0 {
		more := ""
		if n := len(unknown); n > 5 {
			unknown, more = unknown[:5], fmt.Sprintf(" and %d more", n-5)
		}
		warning = "no version is known, and so nothing of: " + strings.Join(unknown, ", ") + more
	}
	return pkgs, warning
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
