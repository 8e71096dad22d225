package storetest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
)

// Large says how much Fill puts into a store.
type Large struct {
	Scans           int       // over 90 days before Now
	Images          int       // digests, each with a set of findings
	Findings        int       // of each image
	Vulnerabilities int       // that there are
	Now             time.Time // default: the time of the call
}

// Of how many images and words there are.
const (
	largeBases      = 50  // images on one base share 20 vulnerabilities
	largeOfBase     = 20  //
	largeCommon     = 20  // vulnerabilities that half of all images have
	largeNamespaces = 500 //
	largeUsers      = 200 //
	largeNames      = 3000
	largeReferences = 5000
)

// Fill puts scans, and the findings of images, into an empty store by its own methods. What is rare is there: one scan in 10,000 is by the
// reference RareReference, one of all in the namespace RareNamespace. Of one image in 100 the report is stored too.
func Fill(tb testing.TB, s *store.Store, size Large) {
	tb.Helper()
	if size.Now.IsZero() {
		size.Now = time.Now()
	}
	size.Now = size.Now.UTC().Truncate(time.Microsecond)
	f := &filler{Large: size, random: random(99), findings: make([]advisory.Finding, size.Vulnerabilities)}
	for n := range f.findings {
		f.findings[n] = f.finding(n)
	}
	f.fillFindings(tb, s)
	f.fillScans(tb, s)
	f.fillFlips(tb, s)
}

// What of a filled store is rare.
const (
	RareReference = "registry.example.com/rare/needle"
	RareNamespace = "the-only-one"
)

type filler struct {
	Large

	random   *rand.Rand
	findings []advisory.Finding
}

// finding gives the n-th vulnerability: few are critical, half can be fixed.
func (f *filler) finding(n int) advisory.Finding {
	v := Finding(n)
	v.ID, v.Advisory = LargeVulnerability(n), "DEBIAN-"+LargeVulnerability(n)
	v.Aliases = []string{fmt.Sprintf("GHSA-%08x", n*7919)}
	v.Severity = []advisory.Severity{
		advisory.SeverityCritical, advisory.SeverityHigh, advisory.SeverityHigh, advisory.SeverityMedium, advisory.SeverityMedium, advisory.SeverityMedium,
		advisory.SeverityLow, advisory.SeverityLow, advisory.SeverityNone, advisory.SeverityUnknown,
	}[n%10]
	v.Package.Name, v.Package.Version, v.Uncertain = fmt.Sprintf("package-%d", n%4000), fmt.Sprintf("1.%d-1", n%37), ""
	if v.FixedVersion = ""; n%2 == 0 {
		v.FixedVersion = fmt.Sprintf("1.%d-2", n%37)
	}
	return v
}

// LargeVulnerability is the id of the n-th vulnerability; half of all images have each of the first 20.
func LargeVulnerability(n int) string { return fmt.Sprintf("CVE-%d-%05d", 2010+n%16, n) }

// report gives what an image has: 10 of the common ones, those of its base, others of its own.
func (f *filler) report(image int) *scan.Report {
	r := random(uint64(image)) //nolint:gosec // it is small
	has := map[int]bool{}
	for n := range min(largeCommon, f.Findings) / 2 {
		has[2*n+image%2] = true
	}
	for n := range min(largeOfBase, f.Findings/3) {
		has[largeCommon+(image%largeBases)*largeOfBase+n] = true
	}
	for len(has) < f.Findings {
		has[r.IntN(f.Vulnerabilities)] = true
	}
	report := &scan.Report{
		Image: f.reference(image), Digest: Digest(image), Platform: "linux/amd64", Packages: 137, Feed: scan.Feed{Revision: "f1", Date: f.Now}, ScannedAt: f.Now,
	}
	for n := range has {
		report.Findings = append(report.Findings, f.findings[n%f.Vulnerabilities])
	}
	return report
}

func (f *filler) reference(image int) string {
	n := image % largeReferences
	return fmt.Sprintf("registry.example.com/team-%d/%s-%d:1.%d", n%40, []string{"web", "api", "worker", "nginx", "cache"}[n%5], n/10, n%10)
}

func (f *filler) fillFindings(tb testing.TB, s *store.Store) {
	tb.Helper()
	var batch []*scan.Report
	for n := range f.Images {
		report := f.report(n)
		if n%100 == 0 {
			if err := s.PutReport(tb.Context(), report); err != nil {
				tb.Fatal(err)
			}
		}
		if batch = append(batch, report); len(batch) == 1000 || n == f.Images-1 {
			if err := s.PutFindings(tb.Context(), batch); err != nil {
				tb.Fatal(err)
			}
			batch = nil
		}
	}
}

// scan gives the n-th scan; the last is the newest.
func (f *filler) scan(n int) *admission.Decision {
	r := f.random
	finding := &f.findings[r.IntN(f.Vulnerabilities)]
	d := Decision(0)
	age := time.Duration(float64(90*24*time.Hour) * float64(f.Scans-1-n) / float64(f.Scans))
	d.ID, d.At = uuid.NewString(), f.Now.Add(-age).Truncate(time.Second) // many at the same time
	d.Trigger = pick(r, admission.TriggerAdmission, admission.TriggerAdmission, admission.TriggerAdmission, admission.TriggerAPI)
	d.PolicyID, d.Namespace = strconv.Itoa(1+r.IntN(5)), fmt.Sprintf("ns-%d", r.IntN(largeNamespaces))
	d.Name, d.User = fmt.Sprintf("App-%d", r.IntN(largeNames)), fmt.Sprintf("system:serviceaccount:ns-%d:deployer", r.IntN(largeUsers))
	d.Verdict, d.Reason, d.Allowed, d.Images = policy.VerdictAllow, admission.ReasonCompliant, true, nil
	outcome := policy.OutcomeScanned
	switch p := r.IntN(1000); {
	case p < 10:
		d.Verdict, d.Reason, d.Allowed, outcome = policy.VerdictUnknown, admission.ReasonPending, false, policy.OutcomePending
	case p < 50:
		d.Verdict, d.Reason, d.Allowed, outcome = policy.VerdictUnknown, admission.ReasonUnscannable, false, policy.OutcomeUnscannable
	case p < 400:
		d.Verdict, d.Reason, d.Allowed = policy.VerdictDeny, admission.ReasonViolation, r.IntN(10) == 0
	}
	if n == f.Scans/2 {
		d.Namespace = RareNamespace
	}
	for range 1 + r.IntN(3) {
		number := r.IntN(f.Images)
		image := admission.DecisionImage{Reference: f.reference(number), Digest: Digest(number), Platform: "linux/amd64", FeedRevision: "f1", Outcome: outcome, Verdict: d.Verdict}
		if n%10_000 == 5_000 {
			image.Reference = RareReference + ":1"
		}
		if image.Counts = (&admission.Counts{Critical: r.IntN(20) / 15, High: r.IntN(9), Medium: r.IntN(20), Low: r.IntN(20), Unknown: r.IntN(3)}); outcome != policy.OutcomeScanned {
			image.Digest, image.FeedRevision, image.Counts, image.Cause = "", "", nil, "the registry does not answer"
		}
		if d.Verdict == policy.VerdictDeny {
			for range 5 {
				image.Violations = append(image.Violations, policy.Violation{Rule: pick(r, "severity", "age"), Finding: finding, Detail: "a detail of a line"})
				finding = &f.findings[r.IntN(f.Vulnerabilities)]
			}
			image.Violated = 5
		}
		d.Images = append(d.Images, image)
	}
	return &d
}

func (f *filler) fillScans(tb testing.TB, s *store.Store) {
	tb.Helper()
	var batch []*admission.Decision
	for n := range f.Scans {
		if batch = append(batch, f.scan(n)); len(batch) == 500 || n == f.Scans-1 {
			if err := s.CreateDecisions(tb.Context(), batch); err != nil {
				tb.Fatal(err)
			}
			batch = nil
		}
	}
}

// fillFlips has verdicts of one image in 20 change.
func (f *filler) fillFlips(tb testing.TB, s *store.Store) {
	tb.Helper()
	var flips []rematch.Flip
	for n := 0; n < f.Images; n += 20 {
		flip := Flip(n)
		flip.At, flip.Since, flip.PolicyID, flip.Digest = f.Now.Add(-time.Duration(n)*time.Second), f.Now.Add(-24*time.Hour), strconv.Itoa(1+n/20%5), Digest(n)
		flips = append(flips, flip)
	}
	if _, err := s.PutFlips(tb.Context(), nil, flips); err != nil {
		tb.Fatal(err)
	}
}
