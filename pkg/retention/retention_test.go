package retention_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/retention"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// TestOnce keeps what is young enough, in a real database, and tells what it deleted.
func TestOnce(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite().New(t))
	now := storetest.Decision(0).At.AddDate(1, 0, 0)
	var list []*admission.Decision
	const old, young = 1234, 56
	for n := range old + young {
		d := storetest.Decision(0)
		d.At = now.Add(-100 * time.Hour)
		if n >= old {
			d.At = now.Add(-99 * time.Hour)
		}
		d.Images = d.Images[:n%2]
		list = append(list, &d)
	}
	if err := s.CreateDecisions(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	log, hook := logtest.NewNullLogger()
	var told, pauses int64
	loop := retention.New(retention.Options{
		Store: s, Log: log, Decisions: 99*time.Hour + 30*time.Minute, Now: func() time.Time { return now },
		Pruned: func(what string, n int64) {
			if what != retention.Decisions {
				t.Errorf("%s were pruned", what)
			}
			told += n
		},
		Pause: func(context.Context) error { pauses++; return nil },
	})
	for range 2 {
		if err := loop.Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left, _, err := s.Decisions(t.Context(), store.DecisionFilter{Limit: 1000})
	if err != nil || len(left) != young || told != old || pauses != 2 {
		t.Errorf("%d decisions are left, %d told in batches with %d pauses between them, %v", len(left), told, pauses, err)
	}
	if entries := hook.AllEntries(); len(entries) != 1 || entries[0].Level != logrus.InfoLevel || entries[0].Data["deleted"] != int64(old) { //nolint:forbidigo // a level, not a logger
		t.Errorf("the log has %v", entries)
	}
}

// TestForEver deletes nothing where nothing is set.
func TestForEver(t *testing.T) {
	t.Parallel()
	loop := retention.New(retention.Options{Store: broken{}, Log: storetest.Log()})
	if err := loop.Once(t.Context()); err != nil {
		t.Error(err)
	}
}

type broken struct{}

func (broken) PruneDecisions(context.Context, time.Time, int) (int64, error) {
	return 0, errors.New("disk full")
}

func (broken) PruneFlips(context.Context, time.Time, int64, int) (int64, error) {
	return 0, errors.New("disk full")
}

func (broken) PruneAudit(context.Context, time.Time, int) (int64, error) {
	return 0, errors.New("disk full")
}

// TestAudit keeps the audit log as long as it is told, in a real database.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.SQLite().New(t))
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for n := range 700 {
		if err := s.CreateAuditEntry(t.Context(), &auth.AuditEntry{ID: strconv.Itoa(n), At: now.AddDate(0, 0, -n/100)}); err != nil {
			t.Fatal(err)
		}
	}
	var told int64
	options := retention.Options{
		Store: s, Log: storetest.Log(), Now: func() time.Time { return now },
		Pruned: func(what string, n int64) {
			if what != retention.Audit {
				t.Errorf("%s were pruned", what)
			}
			told += n
		},
		Pause: func(context.Context) error { return nil },
	}
	for _, days := range []int{0, 3, 1} {
		options.Audit = time.Duration(days) * 24 * time.Hour
		if err := retention.New(options).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	left, _, err := s.AuditEntries(t.Context(), &auth.AuditQuery{Limit: 1000})
	if err != nil || len(left) != 200 || told != 500 {
		t.Errorf("%d entries are left, %d told: %v", len(left), told, err)
	}
}

// TestRun logs what fails and goes on until its context ends.
func TestRun(t *testing.T) {
	t.Parallel()
	log, hook := logtest.NewNullLogger()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	loop := retention.New(retention.Options{Store: broken{}, Log: log, MaxFlips: 1, Interval: time.Millisecond, Now: func() time.Time {
		if len(hook.AllEntries()) > 3 {
			cancel()
		}
		return time.Now()
	}})
	if err := loop.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run ends with %v", err)
	}
	if entries := hook.AllEntries(); len(entries) < 3 || !strings.Contains(entries[0].Message, "could not be deleted") {
		t.Errorf("the log has %v", entries)
	}
}
