package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
	"github.com/runecast/runecast/pkg/web"
)

// reading is a thing that pages and the REST interface read.
type reading struct {
	name string
	read func(tb testing.TB, s *store.Store) int // gives how many rows there were
}

func scans(name string, q *web.ScanQuery) reading {
	return reading{name, func(tb testing.TB, s *store.Store) int {
		tb.Helper()
		q.Limit = 50
		list, _, err := s.Scans(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		return len(list)
	}}
}

// deep gives the cursor of a page that many are before, which is found once.
func deep(tb testing.TB, s *store.Store, sort string) string {
	tb.Helper()
	q := &web.ScanQuery{Limit: 1000, Sort: sort}
	for range 50 {
		_, next, err := s.Scans(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		if next == "" {
			break
		}
		q.Before = next
	}
	return q.Before
}

// readings lists all that is measured, and whose plans are looked at.
func readings(tb testing.TB, s *store.Store, now time.Time) []reading {
	tb.Helper()
	id := ""
	if list, _, err := s.Scans(tb.Context(), &web.ScanQuery{Limit: 1, Complies: "no", Status: web.StatusSuccess}); err != nil || len(list) == 0 {
		tb.Fatal(list, err)
	} else {
		id = list[0].ID
	}
	week, since := now.Add(-40*24*time.Hour), now.Add(-47*24*time.Hour)
	common := storetest.LargeVulnerability(1)
	affected := func(name, id string) reading {
		return reading{name, func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			list, _, err := s.AffectedImages(tb.Context(), &web.AffectedQuery{ID: id, Limit: 50})
			if err != nil {
				tb.Fatal(err)
			}
			return len(list)
		}}
	}
	vulnerabilities := func(name string, q *web.VulnerabilityQuery) reading {
		return reading{name, func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			q.Limit = 50
			list, _, err := s.Vulnerabilities(tb.Context(), q)
			if err != nil {
				tb.Fatal(err)
			}
			return len(list)
		}}
	}
	return slices.Concat(scanReadings(tb, s, since, week), []reading{
		{"detail: one scan with all of its findings", func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			d, err := s.Decision(tb.Context(), id)
			if err != nil || d == nil {
				tb.Fatal(d, err)
			}
			report, err := s.Report(tb.Context(), storetest.Digest(0), "f1")
			if err != nil || report == nil {
				tb.Fatal(report, err)
			}
			return len(report.Findings)
		}},
		affected("images with a vulnerability that half have", common),
		affected("images with a rare vulnerability", storetest.LargeVulnerability(1500)),
		{"a vulnerability by an alias", func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			v, err := s.Vulnerability(tb.Context(), "debian-"+common)
			if err != nil || v == nil {
				tb.Fatal(v, err)
			}
			return v.Images
		}},
		vulnerabilities("vulnerabilities, the worst", &web.VulnerabilityQuery{}),
		vulnerabilities("vulnerabilities, search: common", &web.VulnerabilityQuery{Text: "cve-2015"}),
		vulnerabilities("vulnerabilities, search: nothing", &web.VulnerabilityQuery{Text: "no-such-thing"}),
		vulnerabilities("vulnerabilities, low and fixable", &web.VulnerabilityQuery{Severity: "low", Fixable: true}),
		{"overview, 30 days", func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			o, err := s.Overview(tb.Context(), &web.OverviewQuery{Now: now})
			if err != nil {
				tb.Fatal(err)
			}
			return o.Today.Sum()
		}},
		{"images at risk", func(tb testing.TB, s *store.Store) int {
			tb.Helper()
			list, _, err := s.ImagesAtRisk(tb.Context(), &web.RiskQuery{Limit: 50})
			if err != nil {
				tb.Fatal(err)
			}
			return len(list)
		}},
	})
}

// scanReadings are the lists of scans: each filter alone, where it meets much and where it meets little, and some together.
func scanReadings(tb testing.TB, s *store.Store, from, to time.Time) []reading {
	tb.Helper()
	list := []reading{
		scans("list: first page", &web.ScanQuery{}),
		scans("list: 50,000 scans later", &web.ScanQuery{Before: deep(tb, s, "")}),
		scans("list: oldest first", &web.ScanQuery{Sort: web.SortOldest}),
		scans("list: worst first", &web.ScanQuery{Sort: web.SortWorst}),
		scans("list: worst first, 50,000 scans later", &web.ScanQuery{Sort: web.SortWorst, Before: deep(tb, s, web.SortWorst)}),
		scans("filter: a week", &web.ScanQuery{From: from, To: to}),
		scans("filter: policy", &web.ScanQuery{PolicyID: "3"}),
		scans("filter: policy that judged nothing", &web.ScanQuery{PolicyID: "none"}),
		scans("filter: trigger type", &web.ScanQuery{Trigger: "API"}),
		scans("filter: verdict", &web.ScanQuery{Verdict: "unknown"}),
		scans("filter: compliant", &web.ScanQuery{Complies: "yes"}),
		scans("filter: not compliant", &web.ScanQuery{Complies: "no"}),
		scans("filter: namespace", &web.ScanQuery{Namespace: "ns-7"}),
		scans("filter: namespace of one scan", &web.ScanQuery{Namespace: storetest.RareNamespace}),
	}
	for _, status := range []string{web.StatusSuccess, web.StatusFailed, web.StatusRunning} {
		list = append(list, scans("filter: status "+status, &web.ScanQuery{Status: status}))
	}
	for _, severity := range []string{"critical", "high", "medium", "low", "unknown"} {
		list = append(list, scans("filter: "+severity, &web.ScanQuery{Worst: severity}))
	}
	return append(list,
		scans("search: image, common", &web.ScanQuery{Image: "web-"}),
		scans("search: image, all", &web.ScanQuery{Image: "registry"}),
		scans("search: image, rare", &web.ScanQuery{Image: "needle"}),
		scans("search: image, nothing", &web.ScanQuery{Image: "no-such-thing"}),
		scans("search: digest", &web.ScanQuery{Image: storetest.Digest(100)}),
		scans("search: object", &web.ScanQuery{Name: "app-77"}),
		scans("search: user", &web.ScanQuery{User: "ns-7:"}),
		scans("search: image and user, common", &web.ScanQuery{Image: "nginx", User: "deployer"}),
		scans("together: running and compliant (nothing)", &web.ScanQuery{Status: web.StatusRunning, Complies: "yes"}),
		scans("together: common image and failed", &web.ScanQuery{Image: "web-", Status: web.StatusFailed}),
		scans("together: common image, running and critical (nothing)", &web.ScanQuery{Image: "web-", Status: web.StatusRunning, Worst: "critical"}),
		scans("together: all images, success, policy without scans", &web.ScanQuery{Image: "registry", Status: web.StatusSuccess, PolicyID: "none"}),
		scans("together: compliant, API, critical, policy, a week", &web.ScanQuery{Complies: "yes", Trigger: "API", Worst: "critical", PolicyID: "2", From: from, To: to}),
		scans("together: worst first in a namespace", &web.ScanQuery{Sort: web.SortWorst, Namespace: "ns-7"}),
		scans("together: worst first of success", &web.ScanQuery{Sort: web.SortWorst, Status: web.StatusSuccess}),
		scans("together: worst first of running with unknown (nothing)", &web.ScanQuery{Sort: web.SortWorst, Status: web.StatusRunning, Worst: "unknown"}),
	)
}

// TestPlans looks at how each statement of all that is read is going to be carried out: no table of which there may be millions of
// rows is gone through. PostgreSQL would rather go through the small tables of a test, so that it is asked what it does where it can do
// otherwise; make bench-store looks at what it does in a large database.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, b := range []struct {
		name    string
		backend storetest.Backend
	}{{"sqlite", storetest.SQLite()}, {"postgres", postgres.Backend()}} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			dsn := b.backend.New(t)
			s := storetest.Open(t, dsn)
			now := time.Now()
			storetest.Fill(t, s, storetest.Large{Scans: 1500, Images: 200, Findings: 30, Vulnerabilities: 3000, Now: now})
			newExplainer(t, b.backend, dsn, true).check(t, s, readings(t, s, now))
			free := newExplainer(t, b.backend, dsn, false)
			for _, table := range []string{"decisions", "decision_images", "findings", "scans"} {
				if found := free.whole(t, free.lines(t, store.Statement{Query: "SELECT COUNT(*) AS n FROM " + table + " GROUP BY 1 + " + anyColumn(table)})); len(found) != 1 {
					t.Errorf("a look at all of %s is not noticed", table)
				}
			}
		})
	}
}

// anyColumn names a column without an index that has it alone.
func anyColumn(table string) string {
	return map[string]string{"decisions": "duration", "decision_images": "violated", "findings": "image + vulnerability", "scans": "length(triggered || namespace)"}[table]
}

// explainer asks a database how it carries statements out.
type explainer struct {
	db    *sql.DB
	words string
	whole func(testing.TB, []string) []string // the tables that are gone through
}

// newExplainer makes one; forced has PostgreSQL go through a table only where it cannot do otherwise.
func newExplainer(tb testing.TB, b storetest.Backend, dsn string, forced bool) *explainer {
	tb.Helper()
	e := &explainer{db: b.Raw(tb, dsn), words: "EXPLAIN QUERY PLAN ", whole: wholeSQLite}
	e.db.SetMaxOpenConns(1)
	if !strings.HasPrefix(dsn, "postgres") {
		return e
	}
	e.words, e.whole = "EXPLAIN (FORMAT JSON) ", wholePostgres
	for _, statement := range []string{"ANALYZE", fmt.Sprintf("SET enable_seqscan = %v", !forced)} {
		if _, err := e.db.ExecContext(tb.Context(), statement); err != nil {
			tb.Fatal(err)
		}
	}
	return e
}

// lines gives the plan, whose last column tells what is done.
func (e *explainer) lines(tb testing.TB, statement store.Statement) (lines []string) {
	tb.Helper()
	rows, err := e.db.QueryContext(tb.Context(), e.words+statement.Query, statement.Args...)
	if err != nil {
		tb.Fatalf("%s: %v", statement.Query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	for rows.Next() {
		values := make([]any, len(columns))
		line := ""
		for i := range values {
			values[i] = new(any)
		}
		values[len(values)-1] = &line
		if err := rows.Scan(values...); err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return lines
}

// check fails the test for a statement of some readings that goes through a whole table.
func (e *explainer) check(tb testing.TB, s *store.Store, list []reading) {
	tb.Helper()
	seen := 0
	for _, r := range list {
		for _, statement := range s.Statements(func() { r.read(tb, s) }) {
			lines := e.lines(tb, statement)
			if found := e.whole(tb, lines); len(found) > 0 {
				tb.Errorf("%s: goes through the whole of %v\n%s\n%s", r.name, found, statement.Query, strings.Join(lines, "\n"))
			}
			seen++
		}
	}
	if seen < len(list) {
		tb.Errorf("%d statements of %d readings were looked at", seen, len(list))
	}
}

// In SQLite's words a walk past a table that no index leads, and a subquery that bears a table's place.
var (
	sqliteScan     = regexp.MustCompile(`^SCAN (\w+)( USING .*)?$`)
	sqliteSubquery = regexp.MustCompile(`^(?:CO-ROUTINE|MATERIALIZE) (\w+)$`)
)

func wholeSQLite(_ testing.TB, lines []string) (found []string) {
	subqueries := map[string]bool{"CONSTANT": true}
	for _, line := range lines {
		if match := sqliteSubquery.FindStringSubmatch(line); match != nil {
			subqueries[match[1]] = true
		}
		if match := sqliteScan.FindStringSubmatch(line); len(match) == 3 && match[2] == "" && !subqueries[match[1]] {
			found = append(found, match[1])
		}
	}
	return found
}

// plan is a part of PostgreSQL's EXPLAIN (FORMAT JSON).
type plan struct {
	NodeType string `json:"Node Type"`     //nolint:tagliatelle // as PostgreSQL has it
	Relation string `json:"Relation Name"` //nolint:tagliatelle // as PostgreSQL has it
	Plans    []plan `json:"Plans"`         //nolint:tagliatelle // as PostgreSQL has it
}

func wholePostgres(tb testing.TB, lines []string) (found []string) {
	tb.Helper()
	var tops []struct {
		Plan plan `json:"Plan"` //nolint:tagliatelle // as PostgreSQL has it
	}
	if err := json.Unmarshal([]byte(strings.Join(lines, "")), &tops); err != nil {
		tb.Fatal(err)
	}
	var walk func(p *plan)
	walk = func(p *plan) {
		if p.NodeType == "Seq Scan" && !slices.Contains([]string{"terms", "vulnerabilities", "denials", "scan_hours"}, p.Relation) {
			found = append(found, p.Relation)
		}
		for i := range p.Plans {
			walk(&p.Plans[i])
		}
	}
	for i := range tops {
		walk(&tops[i].Plan)
	}
	return found
}
