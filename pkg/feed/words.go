package feed

import (
	"encoding/json"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// wordOf gives a distribution's own rating of an affected package, nil where it has none.
//
// Ubuntu's priority (https://ubuntu.com/security/cves/about#priority) stands in a severity of type Ubuntu, of the package or the
// record, or in the package's specifics; negligible counts as low. Debian's urgency
// (https://security-team.debian.org/security_tracker.html#severity-levels) means something where the security team set it:
// unimportant (no effect on the binary packages as they are built, or no security issue in practice) counts as low. It means nothing
// where it is not yet assigned, end-of-life, undetermined, or has asterisks, which mark an automatic copy of NVD's rating.
func wordOf(r *osvRecord, a *osvAffected) *score {
	switch advisory.BaseEcosystem(a.Package.Ecosystem) {
	case "Ubuntu":
		for _, list := range [][]osvSeverity{a.Severity, r.Severity} {
			for _, s := range list {
				if s.Type == "Ubuntu" {
					return inWords("Ubuntu", s.Score)
				}
			}
		}
		for _, specific := range []json.RawMessage{a.EcosystemSpecific, a.DatabaseSpecific, r.DatabaseSpecific} {
			for _, field := range []string{"ubuntu_priority", "priority"} {
				if s := inWords("Ubuntu", stringField(specific, field)); s != nil {
					return s
				}
			}
		}
	case "Debian":
		for _, specific := range []json.RawMessage{a.EcosystemSpecific, a.DatabaseSpecific} {
			if s := inWords("Debian", stringField(specific, "urgency")); s != nil {
				return s
			}
		}
	}
	return nil
}

// labelOf gives a record's rating in words, as GitHub's records have it beside or instead of a CVSS.
func labelOf(source string, r *osvRecord) *score {
	return inWords(source, stringField(r.DatabaseSpecific, "severity"))
}

// inWords gives the rating that a word means, nil where it means none.
func inWords(source, word string) *score {
	var severity advisory.Severity
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "critical":
		severity = advisory.SeverityCritical
	case "high", "important":
		severity = advisory.SeverityHigh
	case "medium", "moderate":
		severity = advisory.SeverityMedium
	case "low", "negligible", "unimportant":
		severity = advisory.SeverityLow
	default:
		return nil
	}
	return &score{severity: severity, source: source}
}

// stringField reads one field of an object that may have any shape.
func stringField(object json.RawMessage, field string) string {
	var fields map[string]json.RawMessage
	if len(object) == 0 || json.Unmarshal(object, &fields) != nil {
		return ""
	}
	var value string
	if json.Unmarshal(fields[field], &value) != nil {
		return ""
	}
	return value
}
