package impact_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/impact"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// current is a feed that never changes; nil: there is none.
type current struct{ ix *advisory.Index }

func (c current) Current() (*advisory.Index, func(), error) {
	if c.ix == nil {
		return nil, nil, errors.New("there is no feed")
	}
	return c.ix, func() {}, nil
}

func items[T any](list ...T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, item := range list {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// index has a critical vulnerability of openssl that has a fix, and a high one of zlib that has none.
func index(t *testing.T) *advisory.Index {
	t.Helper()
	path := filepath.Join(t.TempDir(), "feed.index")
	row := func(id string, severity advisory.Severity, events ...advisory.Event) []advisory.Row {
		return []advisory.Row{{Vulnerability: &advisory.Vulnerability{ID: id, Advisory: id, Severity: severity, SeveritySource: "test"}, Ranges: []advisory.Range{events}}}
	}
	start := advisory.Event{Kind: advisory.EventIntroduced, Version: "0"}
	_, err := advisory.Write(t.Context(), path, &advisory.Contents{
		Info: advisory.Info{Date: time.Now(), Built: time.Now(), Ecosystems: []advisory.Coverage{{Ecosystem: "Debian:10"}}},
		Entries: items(
			advisory.Entry{Ecosystem: "Debian:10", Name: "openssl", Rows: row("CVE-1", advisory.SeverityCritical, start, advisory.Event{Kind: advisory.EventFixed, Version: "2"})},
			advisory.Entry{Ecosystem: "Debian:10", Name: "zlib", Rows: row("CVE-2", advisory.SeverityHigh, start)},
		),
		Advisories: items[advisory.Advisory](),
	})
	must(t, err)
	ix, err := advisory.Open(path)
	must(t, err)
	t.Cleanup(func() { _ = ix.Close() })
	return ix
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lab has images: 1 with openssl, 2 with zlib, 3 with neither, 4 whose packages are not stored, 5 that an earlier version stored.
type lab struct {
	t     *testing.T
	store *store.Store
	now   time.Time
	ix    *advisory.Index
}

func newLab(t *testing.T, dsn string) *lab {
	t.Helper()
	l := &lab{t: t, store: storetest.Open(t, dsn), now: time.Now().UTC().Truncate(time.Microsecond), ix: index(t)}
	for n, name := range map[int]string{1: "openssl", 2: "zlib", 3: "bash", 5: "openssl"} {
		c := &scan.Contents{
			Format: scan.ContentsFormat, Platform: "linux/amd64", ReadAt: l.now,
			Inventory: inventory.Inventory{OS: inventory.OS{ID: "debian", VersionID: "10"}, Databases: []string{"var/lib/dpkg/status"}, Packages: []inventory.Package{
				{Type: inventory.TypeDeb, Ecosystem: "Debian:10", Name: name, Version: "1", Source: name, Path: "var/lib/dpkg/status"},
			}},
		}
		if n == 5 {
			c.Format = 1
		}
		must(t, l.store.PutInventory(t.Context(), storetest.Digest(n), c))
	}
	return l
}

// decided stores a decision of some hours ago.
func (l *lab) decided(image int, policyID, name string, allowed bool, hours int) {
	l.t.Helper()
	must(l.t, l.store.CreateDecision(l.t.Context(), admission.Decision{
		ID: uuid.NewString(), At: l.now.Add(-time.Duration(hours) * time.Hour), Trigger: admission.TriggerAdmission, PolicyID: policyID, Verdict: policy.VerdictAllow, Allowed: allowed,
		Kind: "Deployment", Namespace: "shop", Name: name,
		Images: []admission.DecisionImage{{Reference: "shop/" + name + ":1", Digest: storetest.Digest(image), FeedRevision: "f", Verdict: policy.VerdictAllow}},
	}))
}

func (l *lab) preview(pairs ...impact.Pair) *impact.Result {
	l.t.Helper()
	r, err := impact.New(impact.Options{Store: l.store, Feeds: current{l.ix}, Now: func() time.Time { return l.now }}).Preview(l.t.Context(), &impact.Request{Pairs: pairs})
	must(l.t, err)
	return r
}

// load makes a policy of rules, which end of life does not matter to.
func load(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	set, err := (&policy.Set{}).Load(strings.NewReader("{id: p, name: P, onEndOfLife: allow, "+rules+"}"), "")
	must(t, err)
	return set.List()[0]
}

// both runs a test on both databases.
func both(t *testing.T, test func(*testing.T, *lab)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, newLab(t, storetest.SQLite().New(t))) })
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		postgres.Require(t)
		test(t, newLab(t, postgres.NewDatabase(t)))
	})
}

func summary(r *impact.Result) (list []string) {
	for i := range r.Rows {
		row := &r.Rows[i]
		list = append(list, string(row.Change)+" "+row.Reference+" "+row.Rule+": "+row.Detail)
	}
	return list
}

func wantRows(t *testing.T, r *impact.Result, want ...string) {
	t.Helper()
	if got := summary(r); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("rows\n%s\nwant\n%s\n%+v", strings.Join(got, "\n"), strings.Join(want, "\n"), r)
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, l *lab) {
		t.Helper()
		for n := 1; n <= 5; n++ {
			l.decided(n, "p", "app"+string(rune('0'+n)), true, n)
		}
		l.decided(1, "p", "web", true, 40)
		l.decided(1, "p", "refused", false, 50)
		l.decided(3, "q", "other", true, 0)
		l.decided(2, "p", "old", true, 24*40) // outside the window
		critical, high := load(t, "rules: [{name: critical, severity: critical}]"), load(t, "rules: [{name: high, severity: high}]")
		none := load(t, "rules: [{ids: [CVE-9]}]")

		r := l.preview(impact.Pair{Before: critical, After: high})
		wantRows(t, r, "newlyDenied shop/app2:1 high: zlib 1: CVE-2 (high), no fix known", "stillDenied shop/app1:1 high: openssl 1: CVE-1 (critical), fixed in 2")
		if r.Images != 3 || r.StillAllowed != 1 || r.NotJudged != 2 || r.Feed == "" || len(r.Partial) != 0 || r.All || !r.LastReview.IsZero() {
			t.Errorf("%+v", r)
		}
		if p := r.Rows[1].Places; len(p) != 2 || p[0].Name != "app1" || p[1].Name != "web" || p[0].Namespace != "shop" || p[0].Kind != "Deployment" || !p[0].At.Equal(l.now.Add(-time.Hour)) {
			t.Errorf("%+v", p)
		}
		if row := r.Rows[0]; row.Digest != storetest.Digest(2) || row.PolicyID != "p" || !row.Before.Allowed || row.After.Verdict != policy.VerdictDeny || len(row.Places) != 1 {
			t.Errorf("%+v", row)
		}
		wantRows(t, l.preview(impact.Pair{Before: high, After: critical}), "newlyAllowed shop/app2:1 high: zlib 1: CVE-2 (high), no fix known", "stillDenied shop/app1:1 critical: openssl 1: CVE-1 (critical), fixed in 2")

		with, err := critical.WithExemptions(policy.Exemption{IDs: []string{"CVE-1"}, Reason: "r", Owner: "o"})
		must(t, err)
		wantRows(t, l.preview(impact.Pair{Before: critical, After: with}), "newlyAllowed shop/app1:1 critical: openssl 1: CVE-1 (critical), fixed in 2")

		warn := load(t, "mode: warn, rules: [{name: high, severity: high}]")
		wantRows(t, l.preview(impact.Pair{Before: none, After: warn}),
			"verdictChanges shop/app1:1 high: openssl 1: CVE-1 (critical), fixed in 2", "verdictChanges shop/app2:1 high: zlib 1: CVE-2 (high), no fix known")

		r = l.preview(impact.Pair{Before: critical})
		wantRows(t, r, "newlyAllowed shop/app1:1 critical: openssl 1: CVE-1 (critical), fixed in 2")
		if !r.LastReview.Equal(l.now.Add(-time.Hour)) || r.Rows[0].After != nil {
			t.Errorf("%+v", r)
		}

		// A new policy, or one that no image was judged by, is tried on the images of all.
		fresh := *high
		fresh.ID = "fresh"
		p, err := policy.New(&fresh)
		must(t, err)
		for _, pair := range []impact.Pair{{After: p}, {Before: p, After: p}} {
			if r = l.preview(pair); !r.All || r.Images != 3 || r.NotJudged != 2 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestPreviewBounds wants what stopped at a bound to say so.
func TestPreviewBounds(t *testing.T) {
	t.Parallel()
	l := newLab(t, storetest.SQLite().New(t))
	for n := range 3 {
		l.decided(n+1, "p", "app", true, n)
	}
	critical, high := load(t, "rules: [{severity: critical}]"), load(t, "rules: [{severity: high}]")
	pair := impact.Pair{Before: critical, After: high}
	registries := impact.Pair{After: load(t, "rules: [{allowedRegistries: [example.com]}]")}
	for _, c := range []struct {
		what           string
		options        impact.Options
		pair           impact.Pair
		rows           int
		images, listed int
		text           string
	}{
		{"images", impact.Options{Limit: 2, Feeds: current{l.ix}}, pair, 0, 2, 2, "more than 2 images are known"},
		{"rows", impact.Options{Feeds: current{l.ix}}, registries, 1, 3, 1, "2 more images that are newlyDenied are counted and not listed"},
		{"no feed", impact.Options{Feeds: current{}}, pair, 0, 0, 0, "there is no vulnerability data"},
		{"no feed that is needed", impact.Options{Feeds: current{}}, registries, 0, 3, 3, ""},
		{"time", impact.Options{Time: time.Nanosecond, Feeds: current{l.ix}}, pair, 0, 0, 0, "the time for a preview, 1ns, is over"},
	} {
		c.options.Store = l.store
		r, err := impact.New(c.options).Preview(t.Context(), &impact.Request{Pairs: []impact.Pair{c.pair}, Rows: c.rows})
		if c.what == "time" && errors.Is(err, impact.ErrBusy) { // the time was over before the turn came
			continue
		}
		must(t, err)
		if r.Images != c.images || len(r.Rows) != c.listed || (c.text == "") != (len(r.Partial) == 0) || !strings.Contains(strings.Join(r.Partial, "; "), c.text) {
			t.Errorf("%s: %+v", c.what, r)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := impact.New(impact.Options{Store: l.store, Feeds: current{l.ix}}).Preview(ended, &impact.Request{Pairs: []impact.Pair{pair}}); err == nil {
		t.Error("a preview whose asker went away gives a result")
	}
}
