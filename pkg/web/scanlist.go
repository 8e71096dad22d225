package web

import (
	"context"
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
)

// Orders of the list of scans. Each is total, so that pages neither repeat nor leave out what was there all the time.
const (
	SortNewest = "newest" // triggered last first, which is the default
	SortOldest = "oldest" // the contrary
	SortWorst  = "worst"  // most critical findings first, then most high ones and so on, then the newest
)

// ScanQuery selects scans; empty fields do not matter. Words that a field does not know select nothing.
type ScanQuery struct {
	Limit     int                   // of one page; default 100, at most 1000
	Before    string                // the cursor that the page before gave in the same order; "" for the first page
	Sort      string                // SortNewest, SortOldest or SortWorst; "" for SortNewest
	Trigger   admission.TriggerType //
	PolicyID  string                //
	Namespace string                //
	Verdict   policy.Verdict        //
	Image     string                // a part of a reference of the scan's images, in any case, or a whole digest
	Name      string                // a part of the name of the object that was reviewed, in any case
	User      string                // a part of the name of who asked, in any case
	From, To  time.Time             // when it was triggered: from (inclusive) and to (exclusive)
	Status    string                // StatusSuccess, StatusFailed or StatusRunning
	Worst     string                // critical, high, medium, low or unknown: only scans with such findings
	Complies  string                // yes or no: only those that comply with their policy, or do not
}

type listScans struct {
	Limit     int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor    string    `query:"cursor" maxLength:"500" doc:"The nextCursor of the page before, in the same order"`
	Sort      string    `query:"sort" enum:"newest,oldest,worst" default:"newest" doc:"worst: most critical findings first, then most high ones and so on, then the newest"`
	Trigger   string    `query:"triggerType" maxLength:"50" doc:"K8s admission controller, API, CLI, UI"`
	PolicyID  string    `query:"policyId" maxLength:"63"`
	Namespace string    `query:"namespace" maxLength:"63"`
	Verdict   string    `query:"verdict" enum:"allow,deny,unknown"`
	Image     string    `query:"image" maxLength:"512" doc:"A part of a reference, in any case, or a whole digest"`
	Name      string    `query:"name" maxLength:"512" doc:"A part of the name of the object that was reviewed, in any case"`
	User      string    `query:"user" maxLength:"512" doc:"A part of the name of who asked, in any case"`
	From      time.Time `query:"from" doc:"Triggered then or later"`
	To        time.Time `query:"to" doc:"Triggered before"`
	Status    string    `query:"status" enum:"Success,Failed,Running"`
	Complies  string    `query:"compliesWithPolicy" enum:"yes,no"`
	Severity  string    `query:"severity" enum:"critical,high,medium,low,unknown" doc:"Only scans with findings of that severity"`
}

func (s *server) listScans(ctx context.Context, in *listScans) (*scanPage, error) {
	list, next, err := s.Store.Scans(ctx, &ScanQuery{
		Limit: in.Limit, Before: in.Cursor, Sort: in.Sort, Trigger: admission.TriggerType(in.Trigger), PolicyID: in.PolicyID, Namespace: in.Namespace,
		Verdict: policy.Verdict(in.Verdict), Image: in.Image, Name: in.Name, User: in.User, From: in.From, To: in.To,
		Status: in.Status, Complies: in.Complies, Worst: in.Severity,
	})
	if badCursor(err) {
		return nil, errCursor()
	}
	if err != nil {
		return nil, s.internal("the scans cannot be read", err)
	}
	out := &scanPage{}
	out.Body.Next, out.Body.Scans = next, make([]ScanSummary, 0, len(list))
	for i := range list {
		out.Body.Scans = append(out.Body.Scans, summarize(&list[i]))
	}
	return out, nil
}

// cursorError is the store's error about a cursor, told without knowing the store.
type cursorError interface {
	error
	BadCursor() bool
}

func badCursor(err error) bool {
	bad, ok := errors.AsType[cursorError](err)
	return ok && bad.BadCursor()
}

// errCursor answers a cursor that no page gave.
func errCursor() error {
	return huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.cursor", Message: "it is none that a page gave: start again without one"})
}
