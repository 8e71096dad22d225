package advisory

import "strings"

// checkGem tells what is wrong with a version of a Ruby gem: numbers and words between dots, the first a number; what follows a hyphen
// is a pre-release (https://github.com/rubygems/rubygems/blob/master/lib/rubygems/version.rb, VERSION_PATTERN).
func checkGem(version string) string {
	core, pre, hasPre := strings.Cut(version, "-")
	if startsNoNumber(core) {
		return "it does not start with numbers separated by dots"
	}
	if !identifiers(core) || hasPre && !identifiers(pre) {
		return "its parts are malformed"
	}
	return ""
}

// checkNuGet tells what is wrong with a NuGet version: a Semantic Version that may have a fourth number
// (https://learn.microsoft.com/nuget/concepts/package-versioning).
func checkNuGet(version string) string {
	return checkNumbers(version, 4, "it has more than four numbers")
}

// checkMaven tells what is wrong with a Maven version. Maven orders any text
// (https://maven.apache.org/pom.html#version-order-specification); what the build was to replace says nothing.
func checkMaven(version string) string {
	switch {
	case strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "it has a space or control character"
	case strings.ContainsAny(version, "${}@"):
		return "it is a placeholder"
	}
	return ""
}

// composerVersion gives a version of a PHP package without the v of its tag.
func composerVersion(version string) string {
	return strings.TrimPrefix(strings.TrimPrefix(version, "v"), "V")
}

// checkComposer tells what is wrong with a version of a PHP package (https://getcomposer.org/doc/articles/versions.md). A branch has the
// commits of one day, whatever its name says, and no place among the releases.
func checkComposer(version string) string {
	lower := strings.ToLower(version)
	switch {
	case strings.HasPrefix(lower, "dev-"), strings.HasSuffix(lower, "x-dev"):
		return "it is a branch"
	case startsNoNumber(version):
		return "it does not start with numbers separated by dots"
	case strings.ContainsFunc(version, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "it has a space or control character"
	}
	return ""
}

func startsNoNumber(version string) bool { return version == "" || notDigit(rune(version[0])) }
