package ui

import (
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
	Object                      string // what was reviewed
	Counts                      web.Counts
}

// scanFilters are the filters of the list, as the form has them.
type scanFilters struct {
	Image, Status, Trigger, Policy, Verdict, Severity, Namespace, Name, User, From, To string
}

// Active counts the filters beside the search box that are in use.
func (f *scanFilters) Active() (n int) {
	for _, value := range []string{f.Status, f.Trigger, f.Policy, f.Verdict, f.Severity, f.Namespace, f.Name, f.User, f.From, f.To} {
		if value != "" {
			n++
		}
	}
	return n
}

type scanList struct {
	Rows     []scanRow
	Filters  *scanFilters
	Policies []*policy.Policy
	Sort     string // the order
	ByTime   string // the address of the order by time, and by the findings
	ByWorst  string
	First    string // the address of the first page; "" where this is it
	Next     string // the address of the next page; "" after the last
	Asked    string // of the form for a new scan
	PolicyID string
}

func readFilters(q url.Values) (*scanFilters, *web.ScanQuery, error) {
	for name, values := range q {
		if len(values[0]) > maxFilter {
			return nil, nil, problem{http.StatusUnprocessableEntity, "The filter " + shorten(name) + " is too long."}
		}
	}
	f := &scanFilters{
		Image: strings.TrimSpace(q.Get("image")), Status: q.Get("status"), Trigger: q.Get("trigger"), Policy: q.Get("policy"), Verdict: q.Get("evaluation"),
		Severity: q.Get("severity"), Namespace: strings.TrimSpace(q.Get("namespace")), From: q.Get("from"), To: q.Get("to"),
		Name: strings.TrimSpace(q.Get("name")), User: strings.TrimSpace(q.Get("user")),
	}
	query := &web.ScanQuery{
		Limit: scansOnPage, Before: q.Get("cursor"), Image: f.Image, Status: f.Status, Trigger: admission.TriggerType(f.Trigger), PolicyID: f.Policy,
		Namespace: f.Namespace, Worst: f.Severity, Complies: f.Verdict, Name: f.Name, User: f.User,
	}
	if sort := q.Get("sort"); sort == web.SortOldest || sort == web.SortWorst {
		query.Sort = sort
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

// with gives the address of a page with its query changed: names and values take turns, and an empty value takes the name away.
func with(path string, query url.Values, pairs ...string) string {
	changed := url.Values{}
	for name, values := range query {
		if len(values) > 0 && values[0] != "" {
			changed.Set(name, values[0])
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if changed.Del(pairs[i]); pairs[i+1] != "" {
			changed.Set(pairs[i], pairs[i+1])
		}
	}
	if len(changed) == 0 {
		return path
	}
	return path + "?" + changed.Encode()
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
	if err = cursorProblem(err); err != nil {
		return nil, fmt.Errorf("list scans: %w", err)
	}
	rows := scanRows(found)
	if query.Before == "" {
		first, err := s.runningScans(r.Context(), filters)
		if err != nil {
			return nil, err
		}
		rows = append(first, rows...)
	}
	list := &scanList{Rows: rows, Filters: filters, Policies: s.Policies.List(), PolicyID: defaultAsked, Sort: query.Sort}
	address := func(pairs ...string) string {
		return with(scansPath, r.URL.Query(), append([]string{"cursor", ""}, pairs...)...)
	}
	list.ByTime, list.ByWorst = address("sort", ""), address("sort", web.SortWorst)
	if query.Sort == "" {
		list.ByTime = address("sort", web.SortOldest)
	}
	if query.Before != "" {
		list.First = address()
	}
	if next != "" {
		list.Next = address("cursor", next)
	}
	return list, nil
}

func scanRows(list []admission.Decision) []scanRow {
	rows := make([]scanRow, 0, len(list))
	for i := range list {
		d := &list[i]
		row := scanRow{
			ID: d.ID, Status: web.StatusOf(d), Trigger: string(d.Trigger), Policy: d.Policy, At: d.At,
			Complies: d.Verdict == policy.VerdictAllow, Counts: d.Counts(), Object: objectOf(d),
		}
		for j := range d.Images {
			row.Images = append(row.Images, d.Images[j].Reference)
		}
		rows = append(rows, row)
	}
	return rows
}

// objectOf names what was reviewed: Pod shop/web; empty where images alone were asked for.
func objectOf(d *admission.Decision) string {
	switch {
	case d.ReviewUID == "" && d.Name == "":
		return ""
	case d.Namespace == "":
		return d.Kind + " " + d.Name
	}
	return d.Kind + " " + d.Namespace + "/" + d.Name
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
