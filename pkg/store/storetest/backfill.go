package storetest

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// undo takes a database back to before a migration, by the migration's own words. Tests run in the store's directory.
func undo(t *testing.T, db *sql.DB, version int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("migrations", "*.sql"))
	must(t, err)
	for n := len(found); n >= version; n-- {
		content, failure := os.ReadFile(found[n-1])
		must(t, failure)
		_, down, _ := strings.Cut(string(content), "-- +goose Down")
		for statement := range strings.SplitSeq(down, ";") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if _, failure := db.ExecContext(t.Context(), statement); failure != nil {
				t.Fatalf("%s: %v", statement, failure)
			}
		}
	}
	_, err = db.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id >= $1`, version)
	must(t, err)
}

// derived dumps what follows from decisions, in an order of its own.
func derived(t *testing.T, db *sql.DB) map[string][]string {
	t.Helper()
	dump := map[string][]string{}
	for name, query := range map[string]string{
		"scans": `SELECT id, at, status, verdict, CASE WHEN complies THEN 1 ELSE 0 END, triggered, policy_id, namespace, critical, high, medium, low, unknown FROM scans ORDER BY id`,
		"images": `SELECT decision_id, position, COALESCE(critical, -1), COALESCE(high, -1), COALESCE(medium, -1), COALESCE(low, -1), COALESCE(unknown, -1)
			FROM decision_images ORDER BY 1, 2`,
		"terms":      `SELECT kind, text, uses FROM terms ORDER BY kind, text`,
		"scan terms": `SELECT t.kind, t.text, s.id FROM scan_terms AS l JOIN terms AS t ON t.id = l.term JOIN scans AS s ON s.seq = l.scan ORDER BY 1, 2, 3`,
		"hours":      `SELECT hour, verdict, scans FROM scan_hours ORDER BY 1, 2`,
		"denials":    `SELECT kind, name, day, scans FROM denials ORDER BY 1, 2, 3`,
		"verdicts": `SELECT digest, policy_id, reference, decided_at, CASE WHEN admitted THEN 1 ELSE 0 END, admitted_at, first_verdict, verdict, since
			FROM image_verdicts ORDER BY 1, 2`,
		"namespaces": `SELECT digest, namespace, admitted_at FROM image_namespaces ORDER BY 1, 2`,
	} {
		dump[name] = dumped(t, db, query)
	}
	return dump
}

func dumped(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	must(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	must(t, err)
	list := []string{}
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		must(t, rows.Scan(values...))
		words := make([]string, len(columns))
		for i, value := range values {
			words[i] = fmt.Sprintf("%v", *value.(*any)) //nolint:errcheck,forcetypeassert // it is what was put there
		}
		list = append(list, strings.Join(words, "|"))
	}
	must(t, rows.Err())
	return list
}

// pastDecisions gives decisions as an earlier version could have stored them: reports tell the counts, the reason tells the status.
func pastDecisions(t *testing.T, s *store.Store, begin time.Time) []admission.Decision {
	t.Helper()
	r := random(7)
	var list []admission.Decision
	for n := range 12 {
		must(t, s.PutReport(t.Context(), Report(n, n)))
	}
	for n := range 200 {
		d := RandomScan(r, n)
		d.At = begin.Add(time.Duration(r.IntN(90)) * time.Hour)
		d.Verdict, d.Reason = policy.VerdictDeny, admission.ReasonViolation
		for i := range d.Images {
			image := &d.Images[i]
			image.Reference = strings.ToLower(strings.ToValidUTF8(image.Reference, "")) // the databases' own lower knows ASCII
			if i > 0 && d.Images[0].Outcome != image.Outcome {
				d.Images = d.Images[:i]
				break
			}
			switch image.Counts = nil; image.Outcome {
			case policy.OutcomeScanned:
				for digest := range 12 {
					if Digest(digest) == image.Digest {
						image.Counts = admission.CountsOf(Report(digest, digest).Findings)
					}
				}
				image.Violations = []policy.Violation{{Rule: "rule " + pick(r, "a", "b"), Finding: pick(r, new(Finding(1)), new(Finding(2)), nil)}}
			case policy.OutcomePending:
				d.Verdict, d.Reason = policy.VerdictUnknown, admission.ReasonPending
			case policy.OutcomeUnscannable, policy.OutcomeNoFeed:
				d.Verdict, d.Reason = policy.VerdictUnknown, admission.ReasonUnscannable
			}
		}
		d.Name, d.User = pick(r, "Web", "job", ""), pick(r, "alice", "")
		list = append(list, d)
	}
	return list
}

// testBackfill takes a database with decisions back to what an earlier version left, and compares what the migration makes of it with
// what was there, which the store wrote with each decision.
func testBackfill(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s, err := store.Open(t.Context(), dsn, Log())
	must(t, err)
	begin := time.Now().Add(-5 * 24 * time.Hour).Truncate(time.Hour).UTC()
	list := pastDecisions(t, s, begin)
	for i := range list {
		must(t, s.CreateDecision(t.Context(), list[i]))
	}
	flip := Flip(1)
	flip.At, flip.Since, flip.PolicyID, flip.To = begin.Add(100*time.Hour), begin, "1", policy.VerdictAllow
	overtaken := flip
	overtaken.At, overtaken.Digest = begin.Add(-time.Hour), Digest(2)
	_, err = s.PutFlips(t.Context(), nil, []rematch.Flip{flip, overtaken})
	must(t, err)
	must(t, s.Close())

	db := b.Raw(t, dsn)
	want := derived(t, db)
	for name, rows := range want {
		if len(rows) < 5 {
			t.Errorf("of %s there are %d rows: the test shows nothing", name, len(rows))
		}
	}
	undo(t, db, listsMigration)
	again := Open(t, dsn)
	got := derived(t, db)
	for name := range want {
		equal(t, name, got[name], want[name])
	}
	old, err := again.Decision(t.Context(), list[0].ID)
	must(t, err)
	for i := range old.Images {
		if old.Images[i].Outcome != "" {
			t.Errorf("an image stored before outcomes were has %q", old.Images[i].Outcome)
		}
	}
	if web.StatusOf(old) != web.StatusOf(&list[0]) {
		t.Errorf("status is %s, was %s", web.StatusOf(old), web.StatusOf(&list[0]))
	}
}

// listsMigration is the number of the migration that made what lists choose by.
const listsMigration = 7
