package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

const (
	scansPath    = "/scans"
	scansOnPage  = 50
	maxFilter    = 512 // characters of one filter
	maxImages    = 20  // of one request by the form
	dayLayout    = "2006-01-02"
	defaultAsked = "2" // the policy that the form offers first
)

// scanRow is a row of the list of scans.
type scanRow struct {
	ID, Status, Trigger, Policy string
	At                          time.Time
	Complies                    bool
	Open                        bool // it is not judged yet
	Images                      []string
	Counts                      web.Counts
}

// scanFilters are the filters of the list, as the form has them.
type scanFilters struct {
	Image, Status, Trigger, Policy, Verdict, Severity, Namespace, From, To string
}

type scanList struct {
	Rows     []scanRow
	Filters  scanFilters
	Policies []*policy.Policy
	Next     string // the address of the next page; "" after the last
	Paged    bool   // this is not the first page
	Asked    string // of the form for a new scan
	PolicyID string
}

func readFilters(q url.Values) (scanFilters, *web.ScanQuery, error) {
	for name, values := range q {
		if len(values[0]) > maxFilter {
			return scanFilters{}, nil, problem{http.StatusUnprocessableEntity, "The filter " + shorten(name) + " is too long."}
		}
	}
	f := scanFilters{
		Image: strings.TrimSpace(q.Get("image")), Status: q.Get("status"), Trigger: q.Get("trigger"), Policy: q.Get("policy"), Verdict: q.Get("evaluation"),
		Severity: q.Get("severity"), Namespace: strings.TrimSpace(q.Get("namespace")), From: q.Get("from"), To: q.Get("to"),
	}
	query := &web.ScanQuery{
		Limit: scansOnPage, Before: q.Get("cursor"), Image: f.Image, Status: f.Status, Trigger: admission.TriggerType(f.Trigger), PolicyID: f.Policy,
		Namespace: f.Namespace, Worst: f.Severity, Complies: f.Verdict,
	}
	for _, day := range []struct {
		text string
		into *time.Time
		more int
	}{{f.From, &query.From, 0}, {f.To, &query.To, 1}} {
		if day.text == "" {
			continue
		}
		at, err := time.Parse(dayLayout, day.text)
		if err != nil {
			return f, nil, problem{http.StatusUnprocessableEntity, "A day is written as 2006-01-31."}
		}
		*day.into = at.AddDate(0, 0, day.more)
	}
	return f, query, nil
}

func (s *server) scans(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	list, err := s.listScans(r)
	if err != nil {
		return err
	}
	s.render(w, http.StatusOK, "scans", view{Title: "Image Scanning", User: user, Data: list})
	return nil
}

// badCursor is the store's error about a cursor, told without knowing the store.
type badCursor interface {
	error
	BadCursor() bool
}

func (s *server) listScans(r *http.Request) (*scanList, error) {
	filters, query, err := readFilters(r.URL.Query())
	if err != nil {
		return nil, err
	}
	found, next, err := s.Store.Scans(r.Context(), query)
	if bad, ok := errors.AsType[badCursor](err); ok && bad.BadCursor() {
		return nil, problem{http.StatusUnprocessableEntity, "There is no such page: start again with the first."}
	}
	if err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	rows, err := s.rows(r.Context(), found)
	if err != nil {
		return nil, err
	}
	if query.Before == "" {
		first, err := s.runningScans(r.Context(), &filters)
		if err != nil {
			return nil, err
		}
		rows = append(first, rows...)
	}
	list := &scanList{Rows: rows, Filters: filters, Policies: s.Policies.List(), Paged: query.Before != "", PolicyID: defaultAsked}
	if next != "" {
		more := r.URL.Query()
		more.Set("cursor", next)
		list.Next = scansPath + "?" + more.Encode()
	}
	return list, nil
}

func (s *server) rows(ctx context.Context, list []admission.Decision) ([]scanRow, error) {
	var keys []web.ReportKey
	for i := range list {
		keys = append(keys, reportKeys(&list[i])...)
	}
	counts, err := s.Store.Counts(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("count findings: %w", err)
	}
	rows := make([]scanRow, 0, len(list))
	for i := range list {
		d := &list[i]
		row := scanRow{ID: d.ID, Status: web.StatusOf(d), Trigger: string(d.Trigger), Policy: d.Policy, At: d.At, Complies: d.Verdict == policy.VerdictAllow}
		for j := range d.Images {
			row.Images = append(row.Images, d.Images[j].Reference)
		}
		for _, key := range reportKeys(d) {
			row.Counts.Add(counts[key])
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// reportKeys are the reports of a decision's images, each once.
func reportKeys(d *admission.Decision) []web.ReportKey {
	var keys []web.ReportKey
	seen := map[web.ReportKey]bool{}
	for i := range d.Images {
		key := web.ReportKey{Digest: d.Images[i].Digest, FeedRevision: d.Images[i].FeedRevision}
		if key.Digest != "" && key.FeedRevision != "" && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// scanImages begins to scan what the form asks for, and shows how far that is.
func (s *server) scanImages(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	text := r.PostForm.Get("images")
	refuse := func(code int, notice string) error {
		list, err := s.listScans(r)
		if err != nil {
			return err
		}
		list.Asked, list.PolicyID = text, r.PostForm.Get("policy")
		s.render(w, code, "scans", view{Title: "Image Scanning", User: user, Notice: notice, Data: list})
		return nil
	}
	references := strings.Fields(text)
	if len(references) == 0 || len(references) > maxImages {
		return refuse(http.StatusUnprocessableEntity, fmt.Sprintf("Name 1 to %d images, one a line.", maxImages))
	}
	for _, reference := range references {
		if len(reference) > maxFilter {
			return refuse(http.StatusUnprocessableEntity, fmt.Sprintf("An image's name has at most %d characters.", maxFilter))
		}
	}
	p, ok := s.Policies.Get(r.PostForm.Get("policy"))
	if !ok {
		return refuse(http.StatusUnprocessableEntity, "Choose a policy of the list.")
	}
	id, err := s.Jobs.start(r.Context(), p, references, user.Name)
	if errors.Is(err, errBusy) {
		return refuse(http.StatusServiceUnavailable, sentence(err))
	}
	if err != nil {
		return err
	}
	s.audit(r, user, "scan requested", id, map[string]any{"images": references, "policy": p.ID})
	http.Redirect(w, r, scansPath+"/"+id, http.StatusSeeOther) //nolint:gosec // the id is ours
	return nil
}
