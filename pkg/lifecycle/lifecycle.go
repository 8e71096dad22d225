package lifecycle

import (
	_ "embed" // for the table
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
)

//go:embed releases.txt
var releases string

// Support is how a release stands at some time.
type Support string

// The states of a release. The zero value is an image without a distribution, as one made from scratch is.
const (
	SupportStandard  Support = "supported" // by the vendor, for everyone
	SupportExtended  Support = "extended"  // standard support is over; what follows it, for some or for money, is not
	SupportEndOfLife Support = "endOfLife" // nobody mends it any more
	SupportUnknown   Support = "unknown"   // the table lacks the release
)

// Distribution is what is known of an image's distribution. The dates are last days of support, as 2006-01-02, in UTC.
type Distribution struct {
	ID          string `json:"id,omitempty"`          // os-release ID; empty: the image has no distribution
	Version     string `json:"version,omitempty"`     // os-release VERSION_ID
	Name        string `json:"name,omitempty"`        // os-release PRETTY_NAME, else ID and version
	Known       bool   `json:"known"`                 // this program knows the distribution, if not its release
	Ecosystem   string `json:"ecosystem,omitempty"`   // of OSV, with its release; empty: OSV has no advisories of it
	Reason      string `json:"reason,omitempty"`      // why Ecosystem is empty
	Rolling     bool   `json:"rolling,omitempty"`     // it has no releases that could end
	EndOfLife   string `json:"endOfLife,omitempty"`   // of standard support; empty: not known, or rolling
	ExtendedEnd string `json:"extendedEnd,omitempty"` // of extended support; empty: there is none
}

// Of looks a distribution up. The zero value of os gives the zero Distribution.
func Of(os inventory.OS) Distribution {
	if os.ID == "" {
		return Distribution{}
	}
	d := Distribution{ID: os.ID, Version: os.VersionID, Name: os.PrettyName, Known: os.Known()}
	if d.Name == "" {
		d.Name = strings.TrimSpace(os.ID + " " + os.VersionID)
	}
	d.Ecosystem, d.Reason = os.Ecosystem()
	id := familyOf(os.ID)
	for line := range strings.Lines(releases) {
		r, ok := parseRow(line)
		if !ok || r.id != id || r.release != "*" && r.release != releaseOf(id, os.VersionID) {
			continue
		}
		d.Known = true
		if d.Rolling = r.release == "*"; !d.Rolling {
			d.EndOfLife, d.ExtendedEnd = r.end, strings.TrimPrefix(r.extended, "-")
		}
		break
	}
	return d
}

// Support tells how the release stands at a time.
func (d Distribution) Support(now time.Time) Support { //nolint:gocritic // hugeParam: a value, so that it works on every one
	today := now.UTC().Format(time.DateOnly)
	switch {
	case d.ID == "":
		return ""
	case d.Rolling:
		return SupportStandard
	case d.EndOfLife == "":
		return SupportUnknown
	case today <= d.EndOfLife:
		return SupportStandard
	case today <= d.ExtendedEnd:
		return SupportExtended
	}
	return SupportEndOfLife
}

// row is one line of the table.
type row struct{ id, release, end, extended, source string }

// parseRow reads a line; comments and empty lines are none.
func parseRow(line string) (row, bool) {
	columns, source, _ := strings.Cut(line, "#")
	f := strings.Fields(columns)
	if len(f) != 4 {
		return row{}, false
	}
	return row{id: f[0], release: f[1], end: f[2], extended: f[3], source: strings.TrimSpace(source)}, true
}

// familyOf gives the ID under which the table has a distribution: SUSE's server has others for what is sold with it.
func familyOf(id string) string {
	switch id {
	case "sled", "sles_sap", "sle_hpc", "sle-micro-rancher":
		return "sles"
	}
	return id
}

// releaseOf gives a version as the table writes the distribution's releases. Whatever is not written like a release, such as
// 3.23_alpha20250612 of Alpine's edge, is not in it.
func releaseOf(id, version string) string {
	major, rest, _ := strings.Cut(version, ".")
	switch id {
	case "almalinux", "centos", "debian", "mageia", "ol", "rhel", "rocky":
		return major
	case "alpine", "azurelinux", "mariner":
		minor, _, _ := strings.Cut(rest, ".")
		return major + "." + minor
	case "sles":
		if rest == "" {
			return major + ".0"
		}
	}
	return version
}
