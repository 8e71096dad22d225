package ui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

// audit takes note of what a user did to a subject, which is an id or name. Details hold no secrets.
func (s *server) audit(r *http.Request, user *auth.User, action, subject string, details map[string]any) {
	s.Auditor.Audit(r.Context(), &auth.AuditEntry{Actor: user.Actor(), Action: action, Subject: subject, Details: details})
}

const auditRows = 100 // of one page

type auditRow struct {
	auth.AuditEntry
	More string // the details as JSON
}

type auditPage struct {
	Rows   []auditRow
	Kinds  []auth.ActorKind
	Filter map[string]string // as it was given
	Next   string            // link of the next page
	Paged  bool              // it is not the first
}

// auditFilters reads what the form asks for, and says what is wrong with it.
func auditFilters(given url.Values) (*auth.AuditQuery, map[string]string, error) {
	f := map[string]string{}
	for _, name := range []string{"kind", "actor", "action", "subject", "from", "to"} {
		f[name] = given.Get(name)
	}
	query := &auth.AuditQuery{Limit: auditRows, Before: given.Get("before"), Kind: auth.ActorKind(f["kind"]), Actor: f["actor"], Action: f["action"], Subject: f["subject"]}
	for name, at := range map[string]*time.Time{"from": &query.From, "to": &query.To} {
		if f[name] == "" {
			continue
		}
		day, err := time.Parse(dayLayout, f[name])
		if err != nil {
			return nil, nil, problem{http.StatusUnprocessableEntity, "A day is written as 2006-01-31."}
		}
		*at = day
	}
	if !query.To.IsZero() {
		query.To = query.To.AddDate(0, 0, 1) // that whole day
	}
	return query, f, nil
}

// auditLog shows who changed what.
func (s *server) auditLog(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	query, filters, err := auditFilters(r.URL.Query())
	if err != nil {
		return err
	}
	list, next, err := s.Store.AuditEntries(r.Context(), query)
	if bad, ok := errors.AsType[badCursor](err); ok && bad.BadCursor() {
		return problem{http.StatusUnprocessableEntity, "There is no such page: start again with the first."}
	}
	if err != nil {
		return fmt.Errorf("read the audit log: %w", err)
	}
	page := auditPage{Kinds: auth.ActorKinds(), Filter: filters, Paged: query.Before != ""}
	for i := range list {
		row := auditRow{AuditEntry: list[i]}
		if len(list[i].Details) > 0 {
			plain, err := json.Marshal(list[i].Details)
			if err != nil {
				return fmt.Errorf("write the details of audit entry %s: %w", list[i].ID, err)
			}
			row.More = string(plain)
		}
		page.Rows = append(page.Rows, row)
	}
	if next != "" {
		more := r.URL.Query()
		more.Set("before", next)
		page.Next = "/audit?" + more.Encode()
	}
	s.render(w, http.StatusOK, "audit", view{Title: "Audit log", User: user, Data: page})
	return nil
}
