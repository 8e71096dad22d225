package advisory

import "strings"

// checkDebian tells what is wrong with [epoch:]upstream[-revision], Debian Policy 5.6.12
// (https://www.debian.org/doc/debian-policy/ch-controlfields.html#version). As dpkg does, it accepts an upstream part that starts
// with a letter.
func checkDebian(version string) string {
	rest := version
	epoch, after, hasEpoch := strings.Cut(version, ":")
	if hasEpoch {
		if epoch == "" || strings.ContainsFunc(epoch, notDigit) {
			return "its epoch is no number"
		}
		rest = after
	}
	upstream := rest
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		upstream = rest[:i]
		revision := rest[i+1:]
		if revision == "" {
			return "its revision is empty"
		}
		if strings.ContainsFunc(revision, func(r rune) bool { return !debianRune(r) }) {
			return "its revision has a character that is not allowed"
		}
	}
	if upstream == "" {
		return "its upstream part is empty"
	}
	if strings.ContainsFunc(upstream, func(r rune) bool { return !debianRune(r) && r != '-' && (r != ':' || !hasEpoch) }) {
		return "its upstream part has a character that is not allowed"
	}
	return ""
}

func debianRune(r rune) bool {
	return alphanumeric(r) || r == '.' || r == '+' || r == '~'
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func notDigit(r rune) bool { return r < '0' || r > '9' }
