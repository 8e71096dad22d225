package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
)

// flipSettle is how long the first flip waits for others of the same feed: a new feed changes verdicts by the hundred.
const flipSettle = 30 * time.Second

// Plan says which events are told to whom. It is safe for concurrent use.
type Plan struct {
	destinations []Destination
	publicURL    string
}

// NewPlan makes a plan for destinations that Check passed. publicURL is where people find the pages; "" where it is not known.
func NewPlan(destinations []Destination, publicURL string) *Plan {
	return &Plan{destinations: destinations, publicURL: publicURL}
}

// Decision gives the drafts of a decision. Those of reviews count alone: whoever asks for a scan gets an answer.
func (p *Plan) Decision(d *admission.Decision) []Draft {
	kind, told := kindOf(d)
	if !told {
		return nil
	}
	var drafts []Draft
	var content *Content
	for i := range p.destinations {
		to := &p.destinations[i]
		if !to.wants(kind, d.PolicyID) || !to.wantsNamespace(d.Namespace) {
			continue
		}
		if content == nil { // most decisions are told to nobody
			content = decisionContent(d, admission.ScanURL(p.publicURL, d.ID))
		}
		drafts = append(drafts, to.draft(kind, decisionGroup(kind, d), 0, content))
	}
	return drafts
}

// Flip gives the drafts of a flip. An image has no namespace: a destination that asks for some hears of flips in all.
func (p *Plan) Flip(f *rematch.Flip) []Draft {
	var drafts []Draft
	for i := range p.destinations {
		if to := &p.destinations[i]; to.wants(KindFlip, f.PolicyID) {
			group := hash(string(KindFlip), f.PolicyID, f.ToRevision, string(f.To))
			drafts = append(drafts, to.draft(KindFlip, group, flipSettle, flipContent(f)))
		}
	}
	return drafts
}

func (d *Destination) wants(kind Kind, policyID string) bool {
	return slices.Contains(d.Wanted(), kind) && (len(d.Policies) == 0 || slices.Contains(d.Policies, policyID))
}

func (d *Destination) wantsNamespace(namespace string) bool {
	return len(d.Namespaces) == 0 || slices.ContainsFunc(d.Namespaces, func(pattern string) bool {
		matched, err := path.Match(pattern, namespace)
		return err == nil && matched
	})
}

func (d *Destination) draft(kind Kind, group string, settle time.Duration, content *Content) Draft {
	return Draft{Destination: d.Name, Group: group, Kind: kind, Content: *content, Settle: settle, Window: d.window(), MaxPerHour: d.limit()}
}

// kindOf says what a decision is as an event.
func kindOf(d *admission.Decision) (Kind, bool) {
	switch {
	case d.Trigger != admission.TriggerAdmission, d.Verdict == policy.VerdictAllow, d.Reason == admission.ReasonPending:
		return "", false
	case d.Verdict == policy.VerdictUnknown:
		return KindUnknown, true
	case d.Allowed:
		return KindWarn, true
	default:
		return KindDeny, true
	}
}

// decisionGroup is what decisions have in common that are told together.
func decisionGroup(kind Kind, d *admission.Decision) string {
	references := make([]string, 0, len(d.Images))
	for i := range d.Images {
		references = append(references, d.Images[i].Reference)
	}
	slices.Sort(references)
	return hash(append([]string{string(kind), d.PolicyID, d.Namespace, d.Group, d.Kind, stem(d.Name)}, references...)...)
}

// stem is the part of an object's name that is the same for all that one owner makes; the owner itself is not in a review. It is the name
// without the end of a generateName, which is a ReplicaSet's hash or a Job's time and a dash, and without the minutes since 1970 that a
// CronJob gives its Jobs.
func stem(name string) string {
	base, made := strings.CutSuffix(name, "-")
	at := strings.LastIndexByte(base, '-')
	if at < 1 {
		return name
	}
	end := base[at+1:]
	switch digits := strings.Trim(end, "0123456789") == ""; {
	case made && len(end) >= 4 && len(end) <= 12, digits && len(end) >= 8 && len(end) <= 10:
		return base[:at]
	}
	return name
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		h.Write([]byte(part)) // never fails
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func decisionContent(d *admission.Decision, page string) *Content {
	allowed := d.Allowed
	c := &Content{
		Count: 1, First: d.At.UTC(), Last: d.At.UTC(), Policy: PolicyRef{ID: d.PolicyID, Name: cut(d.Policy), Mode: d.Mode},
		Verdict: d.Verdict, Reason: d.Reason, Allowed: &allowed, User: cut(d.User), Scan: &Scan{ID: d.ID, URL: page},
		Object: &Object{Group: cut(d.Group), Kind: cut(d.Kind), Namespace: cut(d.Namespace), Name: cut(d.Name), Operation: d.Operation},
	}
	for i := range d.Images {
		if d.Images[i].Verdict != policy.VerdictAllow {
			c.addImage(imageOf(&d.Images[i]))
		}
	}
	return c
}

func imageOf(d *admission.DecisionImage) *Image {
	image := &Image{
		Reference: cut(d.Reference), Digest: cut(d.Digest), Platform: cut(d.Platform), Verdict: d.Verdict, Cause: cut(d.Cause), Violations: d.Violated,
	}
	for i := range d.Violations {
		v := &d.Violations[i]
		switch f := v.Finding; {
		case f == nil && len(image.Broken) < maxVulnerabilities:
			image.Broken = append(image.Broken, cut(v.Detail))
		case f != nil && len(image.Vulnerabilities) < maxVulnerabilities:
			image.Vulnerabilities = append(image.Vulnerabilities, Vulnerability{
				ID: cut(f.ID), Severity: f.Severity, Package: cut(f.Package.Name), Version: cut(f.Package.Version), Fixed: cut(f.FixedVersion),
			})
		}
	}
	return image
}

func flipContent(f *rematch.Flip) *Content {
	image := Image{Reference: cut(f.Reference), Digest: cut(f.Digest), Before: f.From, Verdict: f.To, Violations: len(f.Causes)}
	for i := range f.Causes[:min(len(f.Causes), maxVulnerabilities)] {
		cause := &f.Causes[i]
		image.Vulnerabilities = append(image.Vulnerabilities, Vulnerability{
			ID: cut(cause.ID), Package: cut(cause.Package), Version: cut(cause.Version), Fixed: cut(cause.Fixed),
		})
	}
	return &Content{
		Count: 1, First: f.At.UTC(), Last: f.At.UTC(), Policy: PolicyRef{ID: f.PolicyID}, Verdict: f.To, Feed: f.ToRevision, Images: []Image{image},
	}
}

// cut bounds a text, which comes from whoever names an image or makes its packages.
func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if utf8.RuneCountInString(s) <= maxText {
		return s
	}
	return string([]rune(s)[:maxText-1]) + "…"
}
