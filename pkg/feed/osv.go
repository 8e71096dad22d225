package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// osvRecord is what is read of a record of the OSV schema (https://ossf.github.io/osv-schema/). Other fields are ignored.
type osvRecord struct {
	ID               string          `json:"id"`
	Modified         string          `json:"modified"`
	Published        string          `json:"published"`
	Withdrawn        string          `json:"withdrawn"`
	Aliases          []string        `json:"aliases"`
	Upstream         []string        `json:"upstream"`
	Related          []string        `json:"related"`
	Summary          string          `json:"summary"`
	Details          string          `json:"details"`
	Severity         []osvSeverity   `json:"severity"`
	Affected         []osvAffected   `json:"affected"`
	References       []osvReference  `json:"references"`
	DatabaseSpecific json.RawMessage `json:"database_specific"` //nolint:tagliatelle // OSV's name
}

type osvSeverity struct {
	Type  string `json:"type"`
	Score string `json:"score"`
}

type osvReference struct {
	Type string `json:"type"`
	URL  string `json:"url"`
}

type osvAffected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges            []osvRange      `json:"ranges"`
	Versions          []string        `json:"versions"`
	Severity          []osvSeverity   `json:"severity"`
	EcosystemSpecific json.RawMessage `json:"ecosystem_specific"` //nolint:tagliatelle // OSV's name
	DatabaseSpecific  json.RawMessage `json:"database_specific"`  //nolint:tagliatelle // OSV's name
}

type osvRange struct {
	Type   string     `json:"type"`
	Events []osvEvent `json:"events"`
}

type osvEvent struct {
	Introduced   string `json:"introduced"`
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"` //nolint:tagliatelle // OSV's name
	Limit        string `json:"limit"`
}

// decodeOSV reads one record. What is wrong with the JSON, with a type in it, or a missing id is an error; fields that nobody knows
// are not.
func decodeOSV(text []byte) (*osvRecord, error) {
	var r osvRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("it is no OSV record: %w", err)
	}
	if r.ID == "" {
		return nil, errors.New("it is no OSV record: it has no id")
	}
	return &r, nil
}

// ranges gives the ranges of package versions. GIT ranges are about commits and say nothing about packages.
func (a *osvAffected) ranges() []advisory.Range {
	var ranges []advisory.Range
	for _, r := range a.Ranges {
		if r.Type != "ECOSYSTEM" && r.Type != "SEMVER" {
			continue
		}
		var events advisory.Range
		for _, e := range r.Events {
			for _, event := range []advisory.Event{
				{Kind: advisory.EventIntroduced, Version: e.Introduced},
				{Kind: advisory.EventFixed, Version: e.Fixed},
				{Kind: advisory.EventLastAffected, Version: e.LastAffected},
				{Kind: advisory.EventLimit, Version: e.Limit},
			} {
				if event.Version != "" {
					events = append(events, event)
				}
			}
		}
		if len(events) > 0 {
			ranges = append(ranges, events)
		}
	}
	return ranges
}

// releaseless tells whether an ecosystem has no releases, so that its bare name is what packages carry.
func releaseless(ecosystem string) bool {
	return !slices.Contains([]string{
		"Debian", "Ubuntu", "Alpine", "AlmaLinux", "Rocky Linux", "Red Hat", "SUSE", "openSUSE", "Mageia", "openEuler",
		"Alpaquita", "BellSoft Hardened Containers", "Photon OS", "Azure Linux", "Android",
	}, ecosystem)
}

// parseTime reads the date forms of the sources; anything else is the zero time, since a date decides nothing.
func parseTime(text string) time.Time {
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04Z", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05-0700", time.DateOnly,
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Second)
		}
	}
	return time.Time{}
}

// isCVE tells whether an id is CVE-<year>-<number>.
func isCVE(id string) bool {
	rest, ok := strings.CutPrefix(id, "CVE-")
	if !ok || len(rest) < 9 || rest[4] != '-' {
		return false
	}
	return !strings.ContainsFunc(rest[:4]+rest[5:], func(r rune) bool { return r < '0' || r > '9' })
}

// cvesOf gives the CVEs that a record is about: by its id, aliases and upstream ids, else by the CVE that its own id carries, as
// ALPINE-CVE-2021-36159 does. Sorted. For a notice without any they are those that it calls related; of other records that says no more
// than that they are similar.
func (r *osvRecord) cvesOf() []string {
	var cves []string
	for _, list := range [][]string{{r.ID}, r.Aliases, r.Upstream} {
		for _, id := range list {
			if isCVE(id) {
				cves = append(cves, id)
			}
		}
	}
	if len(cves) == 0 && isNotice(r.ID) { // AlmaLinux names what a notice fixes as related to it
		cves = slices.DeleteFunc(slices.Clone(r.Related), func(id string) bool { return !isCVE(id) })
	}
	if len(cves) == 0 {
		if i := strings.Index(r.ID, "CVE-"); i >= 0 && isCVE(r.ID[i:]) {
			cves = append(cves, r.ID[i:])
		}
	}
	slices.Sort(cves)
	return slices.Compact(cves)
}

// oneLine gives the first line of a text, at most as long as a summary may be.
func oneLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return shorten(strings.Join(strings.Fields(line), " "), summaryRunes)
}

// shorten cuts a text to at most limit runes and marks the cut.
func shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return strings.TrimSpace(string(runes[:limit-1])) + "…"
}
