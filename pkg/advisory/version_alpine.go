package advisory

import "strings"

// checkAlpine tells what is wrong with number{.number}{letter}{_suffix{number}}{~hash}{-r number}
// (https://github.com/alpinelinux/apk-tools/blob/master/doc/apk-package.5.scd).
func checkAlpine(version string) string {
	rest, ok := cutNumbers(version)
	if !ok {
		return "it does not start with numbers separated by dots"
	}
	if rest != "" && rest[0] >= 'a' && rest[0] <= 'z' {
		rest = rest[1:]
	}
	for strings.HasPrefix(rest, "_") {
		if rest, ok = cutAlpineSuffix(rest[1:]); !ok {
			return "it has an unknown suffix"
		}
	}
	if strings.HasPrefix(rest, "~") {
		hash := rest[1:]
		rest = strings.TrimLeft(hash, "0123456789abcdef")
		if len(rest) == len(hash) {
			return "its commit hash is empty"
		}
	}
	if build, found := strings.CutPrefix(rest, "-r"); found {
		if build == "" || strings.ContainsFunc(build, notDigit) {
			return "its build is no number"
		}
		return ""
	}
	if rest != "" {
		return "it has something after the version"
	}
	return ""
}

// cutNumbers takes number{.number} off the front.
func cutNumbers(s string) (rest string, ok bool) {
	for {
		after := strings.TrimLeft(s, "0123456789")
		if len(after) == len(s) {
			return s, false
		}
		if !strings.HasPrefix(after, ".") {
			return after, true
		}
		s = after[1:]
	}
}

// cutAlpineSuffix takes one suffix and its number off the front; the underscore is gone already.
func cutAlpineSuffix(s string) (rest string, ok bool) {
	for _, suffix := range []string{"alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"} {
		if after, found := strings.CutPrefix(s, suffix); found {
			return strings.TrimLeft(after, "0123456789"), true
		}
	}
	return s, false
}
