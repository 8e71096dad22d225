package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// endsSoon is how long before its end an exemption that is in use is warned about.
const endsSoon = 14 * day

// compiledExemption is an exemption ready to match.
type compiledExemption struct {
	*Exemption
	ids   map[string]bool // nil: any
	image *imagePattern   // nil: any
	end   time.Time       // zero: none; from this instant on it does not hold
}

func (c *compiler) exemption(e *Exemption, path string) compiledExemption {
	out := compiledExemption{Exemption: e}
	if strings.TrimSpace(e.Reason) == "" {
		c.failf(path+".reason", "is missing: say why the violation is accepted")
	}
	if strings.TrimSpace(e.Owner) == "" {
		c.failf(path+".owner", "is missing: say who answers for the exemption")
	}
	if len(e.IDs) == 0 && e.Package == "" && e.Image == "" {
		c.failf(path, "covers too much: give at least one of ids, package and image")
	}
	if e.IDs != nil {
		c.texts(path+".ids", e.IDs)
		out.ids = idSet(e.IDs)
	}
	if e.Image != "" {
		pattern, err := parseImagePattern(e.Image)
		if c.check(path+".image", err) {
			out.image = &pattern
		}
	}
	if e.Expires != "" {
		end, err := parseEnd(e.Expires)
		if c.check(path+".expires", err) {
			out.end = end
		}
	}
	return out
}

// parseEnd reads the end of an exemption: a date lasts to its last moment, UTC.
func parseEnd(text string) (time.Time, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return date.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no date: write 2026-12-31 or 2026-12-31T18:00:00Z", clean(text, maxField))
	}
	return at.UTC(), nil
}

// covers tells whether the exemption is about a violation, whatever its end. f is nil for violations of the image itself.
func (e *compiledExemption) covers(f *advisory.Finding, img *judged) bool {
	if e.image != nil && (img.refErr != nil || !e.image.match(&img.ref, img.digest)) {
		return false
	}
	if f == nil {
		return e.ids == nil && e.Package == "" && e.Ecosystem == ""
	}
	if e.UntilFix && f.FixedVersion != "" || !e.coversPackage(f) {
		return false
	}
	return e.ids == nil || hasID(e.ids, f)
}

// coversPackage compares name and ecosystem; an ecosystem without a release stands for all its releases.
func (e *compiledExemption) coversPackage(f *advisory.Finding) bool {
	if e.Package != "" && e.Package != f.Package.Name && e.Package != f.Package.Source {
		return false
	}
	if e.Ecosystem == "" || e.Ecosystem == f.Package.Ecosystem {
		return true
	}
	family, _, _ := strings.Cut(f.Package.Ecosystem, ":")
	return e.Ecosystem == family
}

// ended tells whether the exemption is over.
func (e *compiledExemption) ended(now time.Time) bool { return !e.end.IsZero() && !now.Before(e.end) }

// label names the exemption in warnings.
func (e *compiledExemption) label() string {
	var about []string
	if len(e.IDs) > 0 {
		about = append(about, first(e.IDs))
		if len(e.IDs) > 1 {
			about[0] += fmt.Sprintf(" and %d more", len(e.IDs)-1)
		}
	}
	for _, text := range []string{e.Package, e.Ecosystem, e.Image} {
		if text != "" {
			about = append(about, text)
		}
	}
	return fmt.Sprintf("exemption of %s (%s, owner %s)", clean(strings.Join(about, ", "), maxField), clean(e.Reason, maxField), clean(e.Owner, maxField))
}

// endNotice is the warning about an exemption that is over or ends soon; empty where there is nothing to say.
func (e *compiledExemption) endNotice(now time.Time) string {
	switch {
	case e.end.IsZero():
		return ""
	case e.ended(now):
		return e.label() + " ended at " + e.end.Format(time.RFC3339)
	case e.end.Sub(now) <= endsSoon:
		return e.label() + " ends at " + e.end.Format(time.RFC3339)
	}
	return ""
}

// record is what a result says about a violation that the exemption takes away.
func (e *compiledExemption) record(v Violation) Exempted {
	out := Exempted{Violation: v, Reason: e.Reason, Owner: e.Owner}
	if !e.end.IsZero() {
		out.Until = e.end.Format(time.RFC3339)
	}
	return out
}
