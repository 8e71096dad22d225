package advisory

import (
	"iter"
	"time"
)

// EventKind tells what happens to a range at a version.
type EventKind uint8

// The events of the OSV schema (https://ossf.github.io/osv-schema/#affectedrangesevents-fields).
const (
	EventIntroduced   EventKind = iota // affected from this version on; "0" is before every version
	EventFixed                         // not affected from this version on
	EventLastAffected                  // not affected above this version
	EventLimit                         // the range says nothing from this version on; "*" is no limit
)

// Event is one point of a range.
type Event struct {
	Kind    EventKind
	Version string
	At      time.Time // for EventFixed: when the fix was published; zero: not known
}

// Range is one affected range as its record lists it, in any order. Events of one version apply in the order they are listed.
type Range []Event

// Row says which versions of a package one vulnerability affects: those in any of the ranges or in the list.
type Row struct {
	Vulnerability *Vulnerability // rows may share one
	Ranges        []Range
	Versions      []string // affected versions listed one by one, beyond those that the ranges cover
	WontFix       string   // who says that what no version fixes will stay so, and in which word; empty: nobody
}

// Entry is what an index holds of one package.
type Entry struct {
	Ecosystem string // with its release, as inventory.Package has it
	Name      string // as NormalizeName gives it
	Rows      []Row
}

// Vulnerability is the part of a finding that is the same for every package and version.
type Vulnerability struct {
	ID             string
	Advisory       string
	Aliases        []string // sorted
	Summary        string
	Severity       Severity
	SeveritySource string
	CVSS           *CVSS
	EPSS           *EPSS
	KEV            *KEV
	Published      time.Time
}

// Reference is a link of an advisory.
type Reference struct {
	Type string `json:"type"` // as the OSV schema names them: ADVISORY, FIX, WEB, …
	URL  string `json:"url"`
}

// Advisory is one record of the feed with its details, for the page of one vulnerability.
type Advisory struct {
	ID             string      `json:"id"`
	Aliases        []string    `json:"aliases,omitempty"`  // other ids of the same vulnerability, sorted
	Upstream       []string    `json:"upstream,omitempty"` // ids of the vulnerabilities it is about, where it is a distribution's notice, sorted
	Summary        string      `json:"summary,omitempty"`  // one line, at most 300 runes
	Details        string      `json:"details,omitempty"`  // Markdown, as the record has it, at most 2,000 runes
	References     []Reference `json:"references,omitempty"`
	Severity       Severity    `json:"severity"`
	SeveritySource string      `json:"severitySource,omitempty"`
	CVSS           *CVSS       `json:"cvss,omitempty"`
	EPSS           *EPSS       `json:"epss,omitempty"`
	KEV            *KEV        `json:"kev,omitempty"`
	Published      time.Time   `json:"published,omitzero"`
	Modified       time.Time   `json:"modified,omitzero"`
}

// Contents is what Write makes an index of.
type Contents struct {
	// Info gives Built, Date, Sources and, of Ecosystems, those that are covered even if no package of theirs is listed. The rest is
	// computed.
	Info Info
	// Dates are the newest modification dates of the sources, by ecosystem with or without its release. They end up in Coverage.
	Dates map[string]time.Time
	// Entries are the packages, strictly ascending by ecosystem and then name, byte by byte.
	Entries iter.Seq2[Entry, error]
	// Advisories are the records, strictly ascending by id, byte by byte.
	Advisories iter.Seq2[Advisory, error]
}
