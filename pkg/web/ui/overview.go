package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/web"
)

const (
	riskPath     = "/risk"
	riskOnPage   = 100
	riskOnFront  = 8                  // images at risk that the Overview lists
	feedOldAfter = 7 * 24 * time.Hour // a feed is called old then, as the reviews' warnings have it
	day          = 24 * time.Hour
)

// span is a choice of how far back the Overview looks.
type span struct {
	Name, Label string
	length      time.Duration
	step        time.Duration
	Selected    bool
	Link        string
}

func spans() []span {
	return []span{
		{Name: "24h", Label: "24 hours", length: day, step: time.Hour},
		{Name: "7d", Label: "7 days", length: 7 * day, step: 6 * time.Hour},
		{Name: "30d", Label: "30 days", length: 30 * day, step: day},
		{Name: "90d", Label: "90 days", length: 90 * day, step: day},
		{Name: "365d", Label: "365 days", length: 365 * day, step: 7 * day},
	}
}

// feedState is what the Overview says of the vulnerability data.
type feedState struct {
	advisory.Info
	Missing string // why there is none; "" where there is
	Age     string
	Old     bool
}

type overviewPage struct {
	Spans                            []span
	Chart                            *chart
	Today                            web.VerdictCounts
	AtRisk                           web.RiskCounts
	Rules, Vulnerabilities, Packages []share
	Risks                            []riskRow
	Feed                             feedState
	From                             string // today, as the list of scans takes it
}

// riskRow is an image that was let in and would not be now.
type riskRow struct {
	web.ImageAtRisk
	Link string
}

// overview is the first page.
func (s *server) overview(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	now := s.Now().UTC()
	page := overviewPage{Feed: s.feedState(now), From: now.Format(dayLayout), Spans: spans()}
	chosen := &page.Spans[2]
	for i := range page.Spans {
		if page.Spans[i].Name == r.URL.Query().Get("span") {
			chosen = &page.Spans[i]
		}
		page.Spans[i].Link = "/?span=" + page.Spans[i].Name
	}
	chosen.Selected = true
	numbers, err := s.Store.Overview(r.Context(), &web.OverviewQuery{Now: now, Span: chosen.length, Step: min(chosen.step, day)})
	if err != nil {
		return fmt.Errorf("read the Overview's numbers: %w", err)
	}
	risks, _, err := s.Store.ImagesAtRisk(r.Context(), &web.RiskQuery{Limit: riskOnFront})
	if err != nil {
		return fmt.Errorf("list the images at risk: %w", err)
	}
	page.Chart = drawVerdicts(merge(numbers.Verdicts, int(chosen.step/day)), chosen.step, chosen.Label)
	page.Today, page.AtRisk, page.Risks = numbers.Today, numbers.AtRisk, riskRows(risks)
	page.Rules = shares(numbers.Rules, nil)
	page.Packages = shares(numbers.Packages, nil)
	page.Vulnerabilities = shares(numbers.Vulnerabilities, func(id string) string { return vulnerabilitiesPath + "/" + url.PathEscape(id) })
	s.render(w, http.StatusOK, "overview", view{Title: "Overview", User: user, Data: page})
	return nil
}

// merge sums each n buckets from the newest back; n below 2 changes nothing.
func merge(buckets []web.VerdictBucket, n int) []web.VerdictBucket {
	if n < 2 {
		return buckets
	}
	var merged []web.VerdictBucket
	first := len(buckets) % n
	for i := 0; i < len(buckets); {
		end := i + n
		if i == 0 && first > 0 {
			end = first
		}
		sum := web.VerdictBucket{From: buckets[i].From}
		for ; i < end; i++ {
			sum.Allow += buckets[i].Allow
			sum.Deny += buckets[i].Deny
			sum.Unknown += buckets[i].Unknown
		}
		merged = append(merged, sum)
	}
	return merged
}

func (s *server) feedState(now time.Time) feedState {
	info, err := s.Feed()
	if err != nil {
		return feedState{Missing: err.Error()}
	}
	age := now.Sub(info.Date)
	return feedState{Info: info, Age: ageOf(age), Old: age > feedOldAfter}
}

// ageOf words an age: 3 hours, 12 days.
func ageOf(age time.Duration) string {
	switch {
	case age < time.Hour:
		return "less than an hour"
	case age < 2*time.Hour:
		return "an hour"
	case age < 2*day:
		return fmt.Sprintf("%d hours", int(age.Hours()))
	}
	return fmt.Sprintf("%d days", int(age/day))
}

func riskRows(list []web.ImageAtRisk) []riskRow {
	rows := make([]riskRow, 0, len(list))
	for i := range list {
		rows = append(rows, riskRow{list[i], scansPath + "?" + url.Values{"image": {list[i].Digest}}.Encode()})
	}
	return rows
}

type riskPage struct {
	Rows        []riskRow
	Flipped     bool
	First, Next string
}

// risk lists all images at risk.
func (s *server) risk(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	q := r.URL.Query()
	page := riskPage{Flipped: q.Get("flipped") == "yes"}
	list, next, err := s.Store.ImagesAtRisk(r.Context(), &web.RiskQuery{Limit: riskOnPage, After: q.Get("cursor"), Flipped: page.Flipped})
	if err = cursorProblem(err); err != nil {
		return fmt.Errorf("list the images at risk: %w", err)
	}
	page.Rows = riskRows(list)
	if q.Get("cursor") != "" {
		page.First = with(riskPath, q, "cursor", "")
	}
	if next != "" {
		page.Next = with(riskPath, q, "cursor", next)
	}
	s.render(w, http.StatusOK, "risk", view{Title: "Admitted images at risk", User: user, Data: page})
	return nil
}
