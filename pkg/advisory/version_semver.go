package advisory

import "strings"

// checkSemver tells what is wrong with a Semantic Version (https://semver.org). More lenient than the letter: the second and the
// third number may be missing, as in old npm packages, and numbers may have leading zeros. A fourth number is refused, because its
// order is not defined.
func checkSemver(version string) string {
	return checkNumbers(version, 3, "it has more than three numbers")
}

// checkNumbers tells what is wrong with a version of at most so many numbers, a pre-release after a hyphen and a build after a plus.
func checkNumbers(version string, most int, tooMany string) string {
	core, _, _ := strings.Cut(version, "+")
	core, pre, hasPre := strings.Cut(core, "-")
	rest, ok := cutNumbers(core)
	switch {
	case !ok:
		return "it does not start with numbers separated by dots"
	case rest != "":
		return "it has something after its numbers that is no pre-release"
	case strings.Count(core, ".") >= most:
		return tooMany
	case hasPre && !identifiers(pre):
		return "its pre-release is malformed"
	}
	return ""
}

// identifiers tells whether s is a dot-separated list of non-empty [0-9A-Za-z-] words.
func identifiers(s string) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool { return !alphanumeric(r) && r != '-' }) {
			return false
		}
	}
	return true
}

// goVersion brings a Go version into semantic-version form: module versions lose their v, and the toolchain's own spelling of
// pre-releases (https://go.dev/doc/toolchain#version) becomes what the Go vulnerability database uses: go1.21rc2 is 1.21.0-rc.2.
func goVersion(version string) string {
	version = strings.TrimPrefix(strings.TrimPrefix(version, "go"), "v")
	version, _, _ = strings.Cut(version, " ") // experiments: "1.22.1 X:boringcrypto"
	for _, word := range []string{"rc", "beta"} {
		numbers, n, found := strings.Cut(version, word)
		if !found || n == "" || strings.ContainsFunc(n, notDigit) {
			continue
		}
		if rest, ok := cutNumbers(numbers); !ok || rest != "" {
			continue
		}
		for strings.Count(numbers, ".") < 2 {
			numbers += ".0"
		}
		return numbers + "-" + word + "." + n
	}
	return version
}

// looseSemver puts the hyphen into 1.9.0b1, which npm's registry took in its first years and npm still orders as 1.9.0-b1
// (https://github.com/npm/node-semver, the loose option).
func looseSemver(version string) string {
	rest, ok := cutNumbers(version)
	core := version[:len(version)-len(rest)]
	if !ok || strings.Count(core, ".") != 2 || rest == "" || rest[0] == '-' || rest[0] == '+' {
		return version
	}
	return core + "-" + rest
}
