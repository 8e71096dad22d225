package feed

import (
	"encoding/json"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// statement is what the maker of a package says of a vulnerability beside versions.
type statement struct {
	notAffected bool   // no version of the package is affected
	wontFix     string // who says that it will not be fixed, and in which word: Debian: end-of-life
}

// statement reads what an affected package's entry says.
//
// That a package is not affected is written as a fix in version 0: so Alpine's, Wolfi's and Chainguard's databases have it
// (https://wiki.alpinelinux.org/wiki/APKBUILD_Reference, secfixes). Debian marks packages whose support has ended before their
// release's with the urgency end-of-life (https://security-team.debian.org/security_tracker.html#severity-levels). Others would say
// either in a field of their own, as the schema leaves it to them; words that mean one of both in CSAF, OpenVEX, Red Hat's data or
// Ubuntu's are understood in a field status, fix_state or state. Ubuntu's own export leaves out what is not affected, and does not tell what
// is ignored from what is needed (https://documentation.ubuntu.com/security/security-updates/osv/).
func (in interner) statement(a *osvAffected) statement {
	s := statement{notAffected: fixedFromTheStart(a)}
	base := advisory.BaseEcosystem(a.Package.Ecosystem)
	for _, specific := range []json.RawMessage{a.EcosystemSpecific, a.DatabaseSpecific} {
		if base == "Debian" && stringField(specific, "urgency") == "end-of-life" {
			s.wontFix = in.text("Debian: end-of-life")
		}
		for _, field := range []string{"status", "fix_state", "state"} {
			switch word := stringField(specific, field); inHyphens(word) {
			case "not-affected", "known-not-affected", "vulnerable-code-not-present", "false-positive":
				s.notAffected = true
			case "wont-fix", "will-not-fix", "no-fix-planned", "out-of-support-scope", "ignored", "end-of-life", "end-of-standard-support":
				s.wontFix = in.text(base + ": " + shorten(strings.TrimSpace(word), maxWord))
			}
		}
	}
	return s
}

const maxWord = 60 // runes of a word that says what will be done

// inHyphens writes a state's word in lower case, with hyphens for blanks and underscores and without apostrophes: Won't fix is
// wont-fix.
func inHyphens(word string) string {
	return strings.NewReplacer("'", "", "’", "", " ", "-", "_", "-").Replace(strings.ToLower(strings.TrimSpace(word)))
}

// fixedFromTheStart tells whether an entry says of all versions that they are fixed.
func fixedFromTheStart(a *osvAffected) bool {
	ranges := a.ranges()
	for _, r := range ranges {
		if len(r) != 2 || r[0].Kind != advisory.EventIntroduced || r[1].Kind != advisory.EventFixed || r[0].Version != "0" || r[1].Version != "0" {
			return false
		}
	}
	return len(ranges) > 0 && len(a.Versions) == 0
}

// isNoVulnerability tells of RustSec's records that are none: a crate that nobody maintains, and notices
// (https://github.com/rustsec/advisory-db/blob/main/CONTRIBUTING.md). What is unsound is a flaw and stays.
func isNoVulnerability(a *osvAffected) bool {
	word := stringField(a.DatabaseSpecific, "informational")
	return a.Package.Ecosystem == "crates.io" && (word == "unmaintained" || word == "notice")
}

// affecting leaves of the records of one vulnerability those that say which versions are affected. Where one says that the package is
// not affected, those of less authority are left out: the maker of the package knows better than who only says it of upstream or of
// many packages at once. Records of the same authority that contradict each other leave the package affected.
func affecting(group []member) []member {
	authority := -1
	for _, m := range group {
		if m.affected.notAffected && (authority < 0 || m.rank < authority) {
			authority = m.rank
		}
	}
	var kept []member
	for _, m := range group {
		if !m.affected.notAffected && (authority < 0 || m.rank <= authority) {
			kept = append(kept, m)
		}
	}
	return kept
}
