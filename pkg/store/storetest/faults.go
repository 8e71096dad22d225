package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/store"
)

func testCancelled(t *testing.T, b Backend) {
	t.Helper()
	s := Open(t, b.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range calls() {
		if err := c.do(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s gives %v", c.name, err)
		}
	}
	for _, c := range calls() {
		if err := c.do(t.Context(), s); err != nil {
			t.Errorf("afterwards %s gives %v", c.name, err)
		}
	}
}

func testClosed(t *testing.T, b Backend) {
	t.Helper()
	s, err := store.Open(t.Context(), b.New(t), Log())
	must(t, err)
	must(t, s.Close())
	for _, c := range calls() {
		if err := c.do(t.Context(), s); err == nil || !strings.HasSuffix(err.Error(), ": sql: database is closed") {
			t.Errorf("%s gives %v", c.name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close gives %v", err)
	}
}

func testReadOnly(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	writer := Open(t, dsn)
	token, decision, report := sampleToken(1), Decision(1), Report(1, 3)
	must(t, writer.CreateToken(t.Context(), token))
	must(t, writer.CreateDecision(t.Context(), decision))
	must(t, writer.PutReport(t.Context(), report))

	s := Open(t, b.ReadOnly(dsn))
	for _, c := range calls() {
		err := c.do(t.Context(), s)
		switch {
		case !c.writes && err != nil:
			t.Errorf("%s gives %v", c.name, err)
		case c.writes && (err == nil || !strings.HasSuffix(err.Error(), b.ReadOnlyText)):
			t.Errorf("%s gives %v, want …%s", c.name, err, b.ReadOnlyText)
		}
	}
	if err := s.Writable(t.Context()); err == nil || !strings.HasPrefix(err.Error(), s.Name()+" cannot be written: ") {
		t.Errorf("Writable gives %v", err)
	}
	if err := s.CreateDecision(t.Context(), decision); err == nil || !strings.HasPrefix(err.Error(), "create decision "+decision.ID+": ") {
		t.Errorf("CreateDecision gives %v", err)
	}
	list, _, err := s.Decisions(t.Context(), store.DecisionFilter{})
	must(t, err)
	equal(t, "decisions", list, []admission.Decision{decision})
	got, err := s.Report(t.Context(), report.Digest, report.Feed.Revision)
	must(t, err)
	equal(t, "report", got, report)
}

func testHealth(t *testing.T, b Backend) {
	t.Helper()
	dsn := b.New(t)
	s := Open(t, dsn)
	must(t, s.Ping(t.Context()))
	must(t, s.Writable(t.Context()))
	must(t, s.Writable(t.Context()))
	var rows int
	must(t, b.Raw(t, dsn).QueryRowContext(t.Context(), "SELECT count(*) FROM heartbeat WHERE at > 0").Scan(&rows))
	if rows != 1 {
		t.Errorf("checking twice left %d rows", rows)
	}
}
