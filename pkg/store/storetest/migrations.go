package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/store"
)

// versions counts how often migrations were recorded; the first row is goose's own.
func versions(t *testing.T, b Backend, dsn string) int {
	t.Helper()
	var count int
	must(t, b.Raw(t, dsn).QueryRowContext(t.Context(), "SELECT count(*) FROM goose_db_version").Scan(&count))
	return count
}

func testMigrateTwice(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	first, err := store.Open(t.Context(), dsn, Log())
	must(t, err)
	decision := Decision(1)
	must(t, first.CreateDecision(t.Context(), decision))
	must(t, first.Close())
	before := versions(t, b, dsn)
	second := Open(t, dsn)
	list, _, err := second.Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	equal(t, "decisions", list, []admission.Decision{decision})
	if after := versions(t, b, dsn); after != before || after < 2 {
		t.Errorf("a second start left %d versions, the first %d", after, before)
	}
}

func testMigrateConcurrently(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := store.Open(t.Context(), dsn, Log())
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.CreateDecision(t.Context(), Decision(1)); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	other := b.New(t)
	Open(t, other)
	if got, want := versions(t, b, dsn), versions(t, b, other); got != want {
		t.Errorf("four openers left %d versions, one leaves %d", got, want)
	}
	list, _, err := Open(t, dsn).Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	if len(list) != 4 {
		t.Errorf("four openers stored %d decisions", len(list))
	}
}

func testMigrateNewer(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	known := versions(t, b, dsn) - 1
	_, err := b.Raw(t, dsn).ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)")
	must(t, err)
	want := fmt.Sprintf("open %s: the database has schema version 99 and this runecast knows versions up to %d: a newer runecast wrote it; "+
		"run that one, or restore a backup from before its first start", s.Name(), known)
	if _, err := store.Open(t.Context(), dsn, Log()); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func testMigrateReadOnly(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	_, err := b.Raw(t, dsn).ExecContext(t.Context(), "DELETE FROM goose_db_version WHERE version_id > 0")
	must(t, err)
	_, err = store.Open(t.Context(), b.ReadOnly(dsn), Log())
	if err == nil || !strings.HasPrefix(err.Error(), "open "+s.Name()+": ") || !strings.Contains(err.Error(), "read") {
		t.Errorf("error is %v", err)
	}
}
