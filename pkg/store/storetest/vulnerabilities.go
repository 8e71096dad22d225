package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// randomReport gives a report of some of 30 vulnerabilities.
func randomReport(r *rand.Rand, digest int, revision string) *scan.Report {
	report := &scan.Report{Image: fmt.Sprintf("app:%d", digest), Digest: Digest(digest), Feed: scan.Feed{Revision: revision}, ScannedAt: when()}
	for range r.IntN(25) {
		v := r.IntN(30)
		f := Finding(v)
		f.Aliases, f.Uncertain = []string{fmt.Sprintf("GHSA-%04d", v), fmt.Sprintf("DSA-%d", v/10)}, ""
		f.Package.Name, f.Package.Version = pick(r, "openssl", "zlib", "naïve"), pick(r, "1.0", "2.0")
		f.FixedVersion, f.Severity = pick(r, "", "3.0"), pick(r, advisory.Severities()...)
		report.Findings = append(report.Findings, f)
	}
	return report
}

// has is what a model of the index knows of an image: by vulnerability the packages.
type has map[string][]web.AffectedPackage

func modelOf(report *scan.Report) has {
	model := has{}
	for i := range report.Findings {
		f := &report.Findings[i]
		p := web.AffectedPackage{
			Name: f.Package.Name, Version: f.Package.Version, Ecosystem: f.Package.Ecosystem, Fixed: f.FixedVersion, Severity: f.Severity.String(), Uncertain: f.Uncertain != "",
		}
		if !slices.Contains(model[f.ID], p) {
			model[f.ID] = append(model[f.ID], p)
		}
	}
	for id := range model {
		slices.SortFunc(model[id], func(a, b web.AffectedPackage) int {
			x, y := severity(a.Severity), severity(b.Severity)
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Fixed, b.Fixed), cmp.Compare(x, y))
		})
	}
	return model
}

func severity(word string) advisory.Severity {
	s, _ := advisory.ParseSeverity(word)
	return s
}

// summariesOf counts what a model has, in the order of lists.
func summariesOf(model map[string]has) []web.VulnerabilitySummary {
	by := map[string]*web.VulnerabilitySummary{}
	for _, image := range model {
		for id, packages := range image {
			if by[id] == nil {
				by[id] = &web.VulnerabilitySummary{ID: id, Severity: "unknown"}
			}
			by[id].Images++
			if slices.ContainsFunc(packages, func(p web.AffectedPackage) bool { return p.Fixed != "" }) {
				by[id].Fixable++
			}
			for _, p := range packages {
				if severity(p.Severity) > severity(by[id].Severity) {
					by[id].Severity = p.Severity
				}
			}
		}
	}
	list := []web.VulnerabilitySummary{}
	for _, v := range by {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b web.VulnerabilitySummary) int {
		return cmp.Or(cmp.Compare(severity(b.Severity), severity(a.Severity)), cmp.Compare(b.Images, a.Images), strings.Compare(b.ID, a.ID))
	})
	return list
}

// allVulnerabilities reads all pages.
func allVulnerabilities(t *testing.T, s *store.Store, q *web.VulnerabilityQuery) []web.VulnerabilitySummary {
	t.Helper()
	list := []web.VulnerabilitySummary{}
	for paged := *q; ; {
		page, next, err := s.Vulnerabilities(t.Context(), &paged)
		must(t, err)
		list = append(list, page...)
		if paged.After = next; next == "" {
			return list
		}
		if len(page) != q.Limit {
			t.Fatalf("a page of %d has %d", q.Limit, len(page))
		}
	}
}

// allAffected reads all pages of the images with a vulnerability: their packages by digest.
func allAffected(t *testing.T, s *store.Store, id string) map[string][]web.AffectedPackage {
	t.Helper()
	found := map[string][]web.AffectedPackage{}
	for q := (web.AffectedQuery{ID: id, Limit: 4}); ; {
		page, next, err := s.AffectedImages(t.Context(), &q)
		must(t, err)
		for i := range page {
			if _, twice := found[page[i].Digest]; twice {
				t.Errorf("%s is on two pages of %s", page[i].Digest, id)
			}
			found[page[i].Digest] = page[i].Packages
		}
		if q.After = next; next == "" {
			return found
		}
	}
}

// sameIndex compares the store's index with a model.
func sameIndex(t *testing.T, what string, s *store.Store, model map[string]has) {
	t.Helper()
	want := summariesOf(model)
	equal(t, what+": vulnerabilities", allVulnerabilities(t, s, &web.VulnerabilityQuery{Limit: 7}), want)
	for _, v := range want {
		images := map[string][]web.AffectedPackage{}
		for digest, image := range model {
			if packages := image[v.ID]; packages != nil {
				images[digest] = packages
			}
		}
		equal(t, what+": images with "+v.ID, allAffected(t, s, v.ID), images)
	}
}

func testFindings(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	stores := []*store.Store{Open(t, dsn), Open(t, dsn)} // as two processes, each with its own memory
	s := stores[0]
	r := random(11)
	model := map[string]has{}
	sameIndex(t, "nothing", s, model)
	for n := range 60 {
		report := randomReport(r, r.IntN(15), fmt.Sprintf("f%d", n%3))
		must(t, stores[n%2].PutReport(t.Context(), report))
		model[report.Digest] = modelOf(report)
	}
	sameIndex(t, "reports", s, model)

	must(t, s.BeginRematch(t.Context(), "f9"))
	var reports []*scan.Report
	for digest := range 15 {
		report := randomReport(r, digest, "f9")
		report.Image = report.Digest // as a re-match names it
		must(t, s.PutInventory(t.Context(), report.Digest, Contents()))
		reports = append(reports, report)
		model[report.Digest] = modelOf(report)
	}
	must(t, s.PutFindings(t.Context(), reports))
	must(t, s.PutFindings(t.Context(), reports))
	sameIndex(t, "a re-match", s, model)
	late := randomReport(r, 1, "f0")
	must(t, stores[1].PutReport(t.Context(), late))
	sameIndex(t, "a report by the feed before", s, model)
	page, _, err := s.AffectedImages(t.Context(), &web.AffectedQuery{ID: summariesOf(model)[0].ID})
	must(t, err)
	for i := range page {
		if page[i].FeedRevision != "f9" || !strings.HasPrefix(page[i].Reference, "app:") {
			t.Errorf("image %s is %q at %q", page[i].Digest, page[i].Reference, page[i].FeedRevision)
		}
	}
}

// testFindingsConcurrently has several writers, as several servers would be.
func testFindingsConcurrently(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	model := map[string]has{}
	var writers sync.WaitGroup
	var mu sync.Mutex
	for n := range 3 {
		s, r := Open(t, dsn), random(uint64(20+n))
		writers.Go(func() {
			for i := range 20 {
				report := randomReport(r, 3*(i%5)+n, "f1")
				if err := s.PutReport(t.Context(), report); err != nil {
					t.Error(err)
				}
				mu.Lock()
				model[report.Digest] = modelOf(report)
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	sameIndex(t, "three writers", Open(t, dsn), model)
}

// testFindingsPruned has an image leave the index with its last report, unless there is an inventory of it.
func testFindingsPruned(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	model := map[string]has{}
	for digest := range 120 {
		report := randomReport(random(uint64(digest)), digest, "f1")
		must(t, s.PutReport(t.Context(), report))
		if digest%20 == 0 {
			must(t, s.PutInventory(t.Context(), report.Digest, Contents()))
		}
		if digest%20 == 0 || digest == 7 {
			model[report.Digest] = modelOf(report)
		}
	}
	for _, revision := range []string{"f1", "f2", "f3"} {
		if revision == "f2" {
			report := randomReport(random(7), 7, "f2")
			must(t, s.PutReport(t.Context(), report))
			model[report.Digest] = modelOf(report)
		}
		must(t, s.BeginRematch(t.Context(), revision))
		must(t, s.FinishRematch(t.Context(), revision))
	}
	sameIndex(t, "after two feeds", s, model)
	var rows int
	must(t, b.Raw(t, dsn).QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM images) * 1000 + (SELECT COUNT(*) FROM image_findings)`).Scan(&rows))
	if rows != len(model)*1001 {
		t.Errorf("images and documents that are left: %d, want %d of each", rows, len(model))
	}
}

func testVulnerabilitySearch(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	r := random(5)
	model := map[string]has{}
	for digest := range 12 {
		report := randomReport(r, digest, "f1")
		must(t, s.PutReport(t.Context(), report))
		model[report.Digest] = modelOf(report)
	}
	all := summariesOf(model)
	check := func(q *web.VulnerabilityQuery, chosen func(*web.VulnerabilitySummary) bool) {
		t.Helper()
		want := []web.VulnerabilitySummary{}
		for i := range all {
			if chosen(&all[i]) {
				want = append(want, all[i])
			}
		}
		q.Limit = 3
		equal(t, fmt.Sprintf("%+v", *q), allVulnerabilities(t, s, q), want)
	}
	number := func(v *web.VulnerabilitySummary) (n int) { _, _ = fmt.Sscanf(v.ID, "CVE-2021-%d", &n); return n }
	check(&web.VulnerabilityQuery{Text: "cve-2021-001"}, func(v *web.VulnerabilitySummary) bool { return number(v)/10 == 1 })
	check(&web.VulnerabilityQuery{Text: "ghsa-0003"}, func(v *web.VulnerabilitySummary) bool { return number(v) == 3 })
	check(&web.VulnerabilityQuery{Text: "DSA-2", Fixable: true}, func(v *web.VulnerabilitySummary) bool { return number(v)/10 == 2 && v.Fixable > 0 })
	for _, word := range []string{"critical", "high", "medium", "unknown"} {
		check(&web.VulnerabilityQuery{Severity: word}, func(v *web.VulnerabilitySummary) bool { return v.Severity == word })
	}
	check(&web.VulnerabilityQuery{Severity: "low"}, func(v *web.VulnerabilitySummary) bool { return v.Severity == "low" || v.Severity == "none" })
	check(&web.VulnerabilityQuery{Severity: "worse"}, func(*web.VulnerabilitySummary) bool { return false })
	for _, text := range hostileTexts() {
		check(&web.VulnerabilityQuery{Text: text}, func(v *web.VulnerabilitySummary) bool {
			names := fmt.Sprintf("%s\nDEBIAN-%s\nGHSA-%04d\nDSA-%d", v.ID, v.ID, number(v), number(v)/10)
			return strings.Contains(strings.ToLower(names), strings.ToLower(storable(text)))
		})
	}
	if _, _, err := s.Vulnerabilities(t.Context(), &web.VulnerabilityQuery{After: "MTIz"}); !errors.Is(err, store.ErrBadCursor) {
		t.Errorf("another cursor gives %v", err)
	}
	if _, _, err := s.AffectedImages(t.Context(), &web.AffectedQuery{ID: all[0].ID, After: "?"}); !errors.Is(err, store.ErrBadCursor) {
		t.Errorf("another cursor gives %v", err)
	}
}

func testVulnerability(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	first, second := Finding(1), Finding(2)
	first.Aliases, second.Aliases = []string{"DSA-1", "GHSA-a"}, []string{"DSA-1"}
	second.Severity = advisory.SeverityHigh
	report := Report(1, 0)
	report.Findings = []advisory.Finding{first, second}
	must(t, s.PutReport(t.Context(), report))
	for id, want := range map[string]string{
		first.ID: first.ID, "cve-2021-0001": first.ID, "GHSA-A": first.ID, second.ID: second.ID, "dsa-1": first.ID, first.Advisory: first.ID, "CVE-1999-1": "", "%": "", "": "",
	} {
		v, err := s.Vulnerability(t.Context(), id)
		must(t, err)
		if v == nil && want == "" {
			continue
		}
		if v == nil || v.ID != want {
			t.Errorf("%q gives %+v, want %s", id, v, want)
			continue
		}
		var others []string
		if id == "dsa-1" {
			others = []string{second.ID}
		}
		equal(t, id+": others", v.Others, others)
	}
	v, err := s.Vulnerability(t.Context(), first.ID)
	must(t, err)
	equal(t, "finding", v.Finding, first)
	equal(t, "aliases", v.Aliases, []string{first.Advisory, "DSA-1", "GHSA-a"})
	equal(t, "summary", v.VulnerabilitySummary, web.VulnerabilitySummary{ID: first.ID, Severity: "critical", Images: 1, Fixable: 1})
	if time.Since(v.Seen) > time.Hour || v.Seen.After(time.Now().Add(time.Minute)) {
		t.Errorf("seen at %s", v.Seen)
	}

	rated := first
	rated.EPSS = &advisory.EPSS{Probability: 0.9, Percentile: 0.99}
	newer := Report(2, 0)
	newer.Feed.Revision, newer.Findings = "f2", []advisory.Finding{rated}
	must(t, s.PutReport(t.Context(), newer))
	v, err = s.Vulnerability(t.Context(), first.ID)
	must(t, err)
	equal(t, "finding of a newer feed", v.Finding, rated)
	fixed := Report(1, 0)
	fixed.Feed.Revision = "f2"
	must(t, s.PutReport(t.Context(), fixed))
	v, err = s.Vulnerability(t.Context(), second.ID)
	must(t, err)
	equal(t, "one that no image has any more", v.VulnerabilitySummary, web.VulnerabilitySummary{ID: second.ID, Severity: "unknown"})
}

// testAffectedAdmissions shows what reviews add to the images that have a vulnerability.
func testAffectedAdmissions(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	must(t, s.PutReport(t.Context(), Report(1, 1)))
	must(t, s.PutReport(t.Context(), Report(2, 1)))
	decide := func(minute int, allowed bool, namespace, reference string, trigger admission.TriggerType) {
		d := Decision(1)
		d.At, d.Allowed, d.Namespace, d.Trigger = when().Add(time.Duration(minute)*time.Minute), allowed, namespace, trigger
		d.Images[0].Reference = reference
		must(t, s.CreateDecision(t.Context(), d))
	}
	for n := range 25 {
		decide(n, true, fmt.Sprintf("ns-%02d", n), "app:1", admission.TriggerAdmission)
	}
	decide(100, false, "never", "app:2", admission.TriggerAdmission)
	decide(200, true, "", "app:3", admission.TriggerAPI)
	page, next, err := s.AffectedImages(t.Context(), &web.AffectedQuery{ID: Finding(0).ID})
	must(t, err)
	if len(page) != 2 || next != "" {
		t.Fatalf("%d images, cursor %q", len(page), next)
	}
	never, let := page[0], page[1]
	if never.Digest != Digest(2) || never.Reference != "nginx:1.19" || !never.LastAdmitted.IsZero() || len(never.Namespaces) != 0 || never.Namespaces == nil {
		t.Errorf("an image that was never let in: %+v", never)
	}
	if let.Reference != "app:2" || !let.LastAdmitted.Equal(when().Add(24*time.Minute)) || len(let.Namespaces) != 20 || let.Namespaces[0] != "ns-00" || let.More != 5 {
		t.Errorf("an image that was let in: %+v", let)
	}
	utc(t, let.LastAdmitted)
}
