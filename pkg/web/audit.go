package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
)

type listAudit struct {
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor  string    `query:"cursor" maxLength:"200" doc:"The nextCursor of the page before"`
	Kind    string    `query:"actorKind" enum:"user,token,system"`
	Actor   string    `query:"actor" maxLength:"200" doc:"Name of the user or token"`
	Action  string    `query:"action" maxLength:"100" doc:"Such as: token created"`
	Subject string    `query:"subject" maxLength:"512" doc:"Id or name of what was changed"`
	From    time.Time `query:"from" doc:"Done then or later"`
	To      time.Time `query:"to" doc:"Done before"`
}

type auditPage struct {
	Body struct {
		Entries []auth.AuditEntry `json:"entries" doc:"Newest first"`
		Next    string            `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
	}
}

func (s *server) registerAudit(api huma.API) {
	o := operation(http.MethodGet, Prefix+"/audit", "list-audit", "Who changed what, newest first")
	o.Tags, o.Middlewares = []string{"audit"}, s.allow(api, auth.ActionManage)
	o.Errors = append(o.Errors, http.StatusUnprocessableEntity)
	huma.Register(api, o, s.listAudit)
}

func (s *server) listAudit(ctx context.Context, in *listAudit) (*auditPage, error) {
	list, next, err := s.Store.AuditEntries(ctx, &auth.AuditQuery{
		Limit: in.Limit, Before: in.Cursor, Kind: auth.ActorKind(in.Kind), Actor: in.Actor, Action: in.Action, Subject: in.Subject, From: in.From, To: in.To,
	})
	if badCursor(err) {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.cursor", Message: "it is none that a page gave: start again without one"})
	}
	if err != nil {
		return nil, s.internal("the audit log cannot be read", err)
	}
	out := &auditPage{}
	if out.Body.Next, out.Body.Entries = next, list; list == nil {
		out.Body.Entries = []auth.AuditEntry{}
	}
	return out, nil
}

// audit takes note of what the caller did to a subject, which is an id or name. Details hold no secrets.
func (s *server) audit(ctx context.Context, action, subject string, details map[string]any) {
	s.Auditor.Audit(ctx, &auth.AuditEntry{Actor: caller(ctx).Actor(), Action: action, Subject: subject, Details: details})
}
