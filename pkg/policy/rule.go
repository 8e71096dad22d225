package policy

import "github.com/runecast/runecast/pkg/advisory"

// UnknownRating says what a rule does with a finding that nothing rated.
type UnknownRating string

// The settings. Include is the default: what nobody rated may be anything.
const (
	UnknownInclude UnknownRating = "include" // it counts as reaching the threshold
	UnknownIgnore  UnknownRating = "ignore"  // it does not match; a warning says how many there were
)

// Patterns is a list whose absence and emptiness differ.
type Patterns []string

// IsZero tells whether the list is absent, for omitempty and omitzero.
func (p Patterns) IsZero() bool { return p == nil }

// Rule is a set of conditions, all of which must hold for it to match. Zero values mean that a condition is not set; a rule needs
// at least one. All but AllowedRegistries are about one finding.
type Rule struct {
	// Name is shown with violations; by default it is made from the conditions.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// Severity is the least severity that matches: critical, high, medium, low or none.
	Severity advisory.Severity `json:"severity,omitempty" yaml:"severity,omitempty"`
	// CVSS is the least base score that matches, above 0 to 10, of the rating that the finding carries.
	CVSS float64 `json:"cvss,omitempty" yaml:"cvss,omitempty"`
	// UnknownSeverity says what Severity and CVSS do with a finding without a rating; default include.
	UnknownSeverity UnknownRating `json:"unknownSeverity,omitempty" yaml:"unknownSeverity,omitempty"`
	// EPSS is the least estimate of exploitation that matches.
	EPSS *EPSSRule `json:"epss,omitempty" yaml:"epss,omitempty"`
	// KEV matches findings in CISA's catalogue of known exploited vulnerabilities (true) or outside it (false).
	KEV *bool `json:"kev,omitempty" yaml:"kev,omitempty"`
	// FixAvailable matches findings for which a fixed version is known (true) or not (false).
	FixAvailable *bool `json:"fixAvailable,omitempty" yaml:"fixAvailable,omitempty"`
	// FixState lists what may be known of the fix: fixed, not-fixed, wont-fix, unknown. A finding whose state is unknown, where unknown is
	// not listed, is left out with a warning that says how many there were.
	FixState []advisory.FixState `json:"fixState,omitempty" yaml:"fixState,omitempty"`
	// FixAge is the grace period: a finding matches once its fix is at least that old. It implies that there is a fix. A fix
	// whose date is not known counts as old enough, so that missing data grants no grace.
	FixAge Duration `json:"fixAge,omitempty" yaml:"fixAge,omitempty"`
	// PackageTypes are types as package URLs name them: deb, apk, rpm, golang, npm, pypi, maven, gem, nuget, composer, cargo.
	PackageTypes []string `json:"packageTypes,omitempty" yaml:"packageTypes,omitempty"`
	// IDs are vulnerabilities by any of their ids: CVE-2021-44228, GHSA-jfh8-c2jp-5v3q, DSA-4963-1.
	IDs []string `json:"ids,omitempty" yaml:"ids,omitempty"`
	// Packages are names of packages, installed or source, to the letter.
	Packages []string `json:"packages,omitempty" yaml:"packages,omitempty"`
	// CEL is an expression of type bool over the variables finding, pkg, image and now; the fields are those of
	// findingFields, packageFields and imageFields. One that
	// fails for a finding leaves the image undecided, which onUnscannable judges.
	CEL string `json:"cel,omitempty" yaml:"cel,omitempty"`
	// AllowedRegistries matches images whose registry and repository match none of the patterns; an empty list allows none.
	AllowedRegistries Patterns `json:"allowedRegistries,omitzero" yaml:"allowedRegistries,omitempty"`
}

// EPSSRule is the condition on the EPSS estimate. With both thresholds set, both must be reached.
type EPSSRule struct {
	Probability float64       `json:"probability,omitempty" yaml:"probability,omitempty"` // above 0 to 1
	Percentile  float64       `json:"percentile,omitempty" yaml:"percentile,omitempty"`   // above 0 to 1
	Unknown     UnknownRating `json:"unknown,omitempty" yaml:"unknown,omitempty"`         // a finding without an estimate; default include
}

// Exemption takes violations away, for a reason somebody answers for. All that is given of IDs, Package, Ecosystem and Image must
// match, and one of IDs, Package and Image must be given. One with Image alone also covers rules about the registry.
type Exemption struct {
	IDs       []string `json:"ids,omitempty" yaml:"ids,omitempty"`             // vulnerabilities by any of their ids
	Package   string   `json:"package,omitempty" yaml:"package,omitempty"`     // name of the installed or source package, to the letter
	Ecosystem string   `json:"ecosystem,omitempty" yaml:"ecosystem,omitempty"` // Debian for all releases, Debian:12 for one
	Image     string   `json:"image,omitempty" yaml:"image,omitempty"`         // image pattern, as in exemptImages
	Reason    string   `json:"reason" yaml:"reason"`                           // why; required
	Owner     string   `json:"owner" yaml:"owner"`                             // who answers for it; required
	Expires   string   `json:"expires,omitempty" yaml:"expires,omitempty"`     // 2026-12-31 (to the end of that day, UTC) or RFC 3339; empty: no expiry
	UntilFix  bool     `json:"untilFix,omitempty" yaml:"untilFix,omitempty"`   // ends for a finding once a fixed version is known
}
