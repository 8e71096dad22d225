package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/auth"
)

// auditStore keeps entries in memory, or fails.
type auditStore struct {
	entries []auth.AuditEntry
	err     error
	ended   bool // the context was when the entry came
}

func (s *auditStore) CreateAuditEntry(ctx context.Context, e *auth.AuditEntry) error {
	s.ended = ctx.Err() != nil
	if s.err == nil {
		s.entries = append(s.entries, *e)
	}
	return s.err
}

func (s *auditStore) AuditEntries(context.Context, *auth.AuditQuery) ([]auth.AuditEntry, string, error) {
	return s.entries, "", s.err
}

// TestAuditLog tells log and store, also of what a client does that goes away at once.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	log.SetFormatter(&logrus.JSONFormatter{})
	store := &auditStore{}
	now := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	a := auth.NewAuditLog(store, log, func() time.Time { return now })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given := auth.AuditEntry{Actor: auth.Principal{TokenID: "3f9c", Name: "pipeline"}.Actor(), Address: "192.0.2.1", Action: "token created", Subject: "77", Details: map[string]any{"name": "<x>"}}
	a.Audit(ctx, &given)
	if len(store.entries) != 1 || store.ended || given.ID != "" {
		t.Fatalf("%+v", store)
	}
	e := store.entries[0]
	if len(e.ID) != 36 || !e.At.Equal(now.Truncate(time.Microsecond)) || e.At.Location() != time.UTC || e.Actor != (auth.Actor{Kind: auth.ActorToken, Name: "pipeline", ID: "3f9c"}) || e.Address != "192.0.2.1" {
		t.Errorf("%+v", e)
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line["msg"] != "token created" || line["audit"] != true || line["by"] != "pipeline" || line["byKind"] != "token" || line["byId"] != "3f9c" || line["address"] != "192.0.2.1" || line["subject"] != "77" || line["details"].(map[string]any)["name"] != "<x>" { //nolint:errcheck,forcetypeassert // a test
		t.Errorf("the log has %v", line)
	}
}

// TestAuditLogWithoutStore has the entry in the log, and counts it.
func TestAuditLogWithoutStore(t *testing.T) {
	t.Parallel()
	log, hook := logtest.NewNullLogger()
	a := auth.NewAuditLog(&auditStore{err: errors.New("disk full")}, log, nil)
	a.Audit(t.Context(), &auth.AuditEntry{Actor: auth.System("test"), Action: "something", Details: map[string]any{"bad": func() {}}})
	if a.Unstored() != 1 || len(hook.AllEntries()) != 3 {
		t.Errorf("%d unstored, the log has %v", a.Unstored(), hook.AllEntries())
	}
}
