package advisory

import (
	"fmt"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
)

// Severity is a qualitative rating, ordered: a higher value is worse. The zero value is unknown, which is not "none":
// nothing rated the advisory, and a policy must say what that means.
type Severity uint8

// The ratings of CVSS (https://www.first.org/cvss/v3.1/specification-document, section 5), and unknown.
const (
	SeverityUnknown Severity = iota
	SeverityNone
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

// Severities lists every rating, worst first, as tables show them.
func Severities() []Severity {
	return []Severity{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow, SeverityNone, SeverityUnknown}
}

func severityNames() [6]string {
	return [6]string{"unknown", "none", "low", "medium", "high", "critical"}
}

// String gives the rating's lower-case name.
func (s Severity) String() string {
	if names := severityNames(); int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText writes the rating's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a rating's name in any case; anything else is an error.
func (s *Severity) UnmarshalText(text []byte) error {
	parsed, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// ParseSeverity reads a rating's name in any case.
func ParseSeverity(name string) (Severity, error) {
	for i, known := range severityNames() {
		if strings.EqualFold(name, known) {
			return Severity(i), nil
		}
	}
	return SeverityUnknown, fmt.Errorf("severity %q is none of critical, high, medium, low, none, unknown", name)
}

// CVSS is one Common Vulnerability Scoring System rating.
type CVSS struct {
	Version string  `json:"version"` // 4.0, 3.1, 3.0 or 2.0
	Vector  string  `json:"vector"`
	Score   float64 `json:"score"` // base score, 0 to 10, computed from the vector
}

// EPSS is the Exploit Prediction Scoring System's estimate (https://www.first.org/epss/).
type EPSS struct {
	Probability float64 `json:"probability"` // of exploitation within 30 days, 0 to 1
	Percentile  float64 `json:"percentile"`  // share of all CVEs that score lower or equal, 0 to 1
}

// KEV is an entry of CISA's catalogue of known exploited vulnerabilities.
type KEV struct {
	DateAdded  string `json:"dateAdded"` // YYYY-MM-DD
	DueDate    string `json:"dueDate,omitempty"`
	Ransomware bool   `json:"ransomware,omitempty"` // known to be used in ransomware campaigns
}

// Finding is one advisory that matches one package.
type Finding struct {
	ID             string            `json:"id"`                       // the CVE where there is one, else the advisory's own id
	Advisory       string            `json:"advisory"`                 // id of the record in the feed: DEBIAN-CVE-2021-3711
	Aliases        []string          `json:"aliases,omitempty"`        // other ids of the same vulnerability, sorted
	Summary        string            `json:"summary,omitempty"`        // one line, at most 300 runes
	Package        inventory.Package `json:"package"`                  // what is installed
	FixedVersion   string            `json:"fixedVersion,omitempty"`   // the lowest version with the fix that is above the installed one; empty: no fix known
	FixState       FixState          `json:"fixState"`                 // whether there is a fix, and whether there will be one
	WontFix        string            `json:"wontFix,omitempty"`        // of FixStateWontFix: who says so, and in which word: Debian: end-of-life
	FixedAt        time.Time         `json:"fixedAt,omitzero"`         // when the fix was published, as far as the feed tells; zero: not known
	Severity       Severity          `json:"severity"`                 //
	SeveritySource string            `json:"severitySource,omitempty"` // who rated: Ubuntu, Debian, OSV, GHSA, CNA, CISA-ADP, NVD; empty for unknown
	CVSS           *CVSS             `json:"cvss,omitempty"`           // the rating behind Severity where that is a CVSS
	EPSS           *EPSS             `json:"epss,omitempty"`
	KEV            *KEV              `json:"kev,omitempty"`
	Published      time.Time         `json:"published,omitzero"`
	Uncertain      string            `json:"uncertain,omitempty"` // why the match is not certain, such as a version that cannot be parsed; such a finding's severity is unknown

	// Of an uncertain finding only: what it would be if it were certain, so that a policy can tell whether that matters to it.
	RatedSeverity Severity `json:"ratedSeverity,omitempty"` // the advisory's own rating
	RatedCVSS     *CVSS    `json:"ratedCvss,omitempty"`     // the rating behind RatedSeverity where that is a CVSS
	PossibleFix   string   `json:"possibleFix,omitempty"`   // the lowest fixed version that the advisory names, as far as they can be ordered; empty: it names none
}

// Fixable tells whether a version with the fix is known.
func (f Finding) Fixable() bool { return f.FixedVersion != "" } //nolint:gocritic // hugeParam: a value, so that it works on every finding

// Uncovered names an ecosystem of which an image has packages and the feed has no data: those packages were not judged.
type Uncovered struct {
	Ecosystem string `json:"ecosystem"` // as in inventory.Package; "unknown distribution" where that is empty
	Packages  int    `json:"packages"`  // how many packages of the image are in it
}

// Matches is the result of matching an inventory.
type Matches struct {
	Findings  []Finding   `json:"findings"`            // worst first, then by id and package; one per vulnerability and package
	Uncovered []Uncovered `json:"uncovered,omitempty"` // sorted by ecosystem
	// Date is the oldest date of the ecosystems that the image has packages of, as Coverage has them: a feed is as old as the oldest
	// part that judged the image. Zero: none of them has a date.
	Date time.Time `json:"date,omitzero"`
}

// Source is one input of a feed.
type Source struct {
	Name     string    `json:"name"`              // osv/Debian, nvd, cve, kev, epss
	File     string    `json:"file"`              // base name of the file
	SHA256   string    `json:"sha256"`            // of the file, hexadecimal
	Records  int       `json:"records"`           // read from it
	Used     int       `json:"used"`              // that ended up in the index
	Modified time.Time `json:"modified,omitzero"` // the newest modification date in it
}

// Coverage is one ecosystem that a feed has data for.
type Coverage struct {
	Ecosystem string    `json:"ecosystem"`     // with its release: Debian:10
	Packages  int       `json:"packages"`      // names
	Rows      int       `json:"rows"`          // (package, advisory) pairs
	Date      time.Time `json:"date,omitzero"` // the newest modification date of its source's records, whatever their release; zero: not told
}

// Info describes a feed index.
type Info struct {
	Revision   string     `json:"revision"` // content hash: equal revisions hold equal data
	Built      time.Time  `json:"built"`
	Date       time.Time  `json:"date"` // the newest modification date of an advisory, however fresh the ratings are; Coverage has that of each ecosystem
	Sources    []Source   `json:"sources"`
	Ecosystems []Coverage `json:"ecosystems"`
	Advisories int        `json:"advisories"`
	Rated      int        `json:"rated"` // of the advisories those whose severity is known
	Rows       int        `json:"rows"`
	Bytes      int64      `json:"bytes"`
}
