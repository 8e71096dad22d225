package advisory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// maxVersionLength bounds the versions that are parsed, in bytes: numbers in them have any size, and hostile ones would cost
// quadratic time. The longest one in the public feeds has about 120.
const maxVersionLength = 256

// Version is a version parsed by the rules of its ecosystem. It is comparable to versions of the same ecosystem only.
type Version struct {
	parsed semantic.Version
}

// VersionError says that a version does not follow the rules of its ecosystem, so that nothing can be said about its order.
type VersionError struct {
	Ecosystem string // as asked for, with its release
	Version   string
	Reason    string
}

// Error gives the version, the ecosystem and what is wrong.
func (e *VersionError) Error() string {
	return fmt.Sprintf("version %q is no %s version: %s", shorten(e.Version), BaseEcosystem(e.Ecosystem), e.Reason)
}

// BaseEcosystem gives an ecosystem's name without its release: Debian for Debian:12.
func BaseEcosystem(ecosystem string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base
}

// ParseVersion reads a version by its ecosystem's published rules. The comparison itself is osv-scalibr's, which orders anything at
// all; what the rules do not allow is a *VersionError here, because an order that nobody defined decides nothing.
func ParseVersion(ecosystem, version string) (Version, error) {
	base := BaseEcosystem(ecosystem)
	check := checkVersion
	if isRPM(base) {
		base, check = rpmEcosystem, checkRPM // the library does not know all that have rpm's versions
	}
	normal, reason := check(base, version)
	if reason != "" {
		return Version{}, &VersionError{Ecosystem: ecosystem, Version: version, Reason: reason}
	}
	parsed, err := semantic.Parse(normal, base)
	switch {
	case errors.Is(err, semantic.ErrUnsupportedEcosystem):
		return Version{}, &VersionError{Ecosystem: ecosystem, Version: version, Reason: "the versions of this ecosystem are not known"}
	case err != nil:
		return Version{}, &VersionError{Ecosystem: ecosystem, Version: version, Reason: err.Error()}
	}
	return Version{parsed: parsed}, nil
}

// Compare gives -1, 0 or 1 as v is lower than, equal to or higher than w. Versions of two ecosystems are an error.
func (v Version) Compare(w Version) (int, error) {
	if v.parsed == nil || w.parsed == nil {
		return 0, errors.New("compare versions: one of them was not parsed")
	}
	order, err := v.parsed.Compare(w.parsed)
	if err != nil {
		return 0, fmt.Errorf("compare versions: %w", err)
	}
	return order, nil
}

// CompareVersions parses and compares two versions of an ecosystem: -1, 0 or 1. One that cannot be parsed is a *VersionError.
func CompareVersions(ecosystem, a, b string) (int, error) {
	v, err := ParseVersion(ecosystem, a)
	if err != nil {
		return 0, err
	}
	w, err := ParseVersion(ecosystem, b)
	if err != nil {
		return 0, err
	}
	return v.Compare(w)
}

// checkVersion gives the form of a version that the comparison understands, or why it is none.
func checkVersion(base, version string) (normal, reason string) {
	switch {
	case version == "":
		return "", "it is empty"
	case len(version) > maxVersionLength:
		return "", fmt.Sprintf("it has more than %d bytes", maxVersionLength)
	}
	switch base {
	case "Debian", "Ubuntu":
		return version, checkDebian(version)
	case "Alpine", "Wolfi", "Chainguard":
		return version, checkAlpine(version)
	case "Go":
		normal = goVersion(version)
		return normal, checkSemver(normal)
	case "npm":
		normal = looseSemver(strings.TrimPrefix(version, "v"))
		return normal, checkSemver(normal)
	case "crates.io", "Hex":
		normal = strings.TrimPrefix(version, "v")
		return normal, checkSemver(normal)
	case "PyPI":
		return version, checkPyPI(version)
	case "RubyGems":
		return version, checkGem(version)
	case "NuGet":
		return version, checkNuGet(version)
	case "Maven":
		return version, checkMaven(version)
	case "Packagist":
		normal = composerVersion(version)
		return normal, checkComposer(normal)
	}
	if strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", "it has a space or control character"
	}
	return version, ""
}

// shorten keeps texts that quote input to a bounded length.
func shorten(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}
