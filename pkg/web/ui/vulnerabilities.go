package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/web"
)

const vulnerabilitiesOnPage = 100

// vulnerabilityList is the list of the vulnerabilities of all images that are kept.
type vulnerabilityList struct {
	Rows           []vulnerabilityRow
	Text, Severity string // the filters
	Fixable        bool
	First, Next    string
}

type vulnerabilityRow struct {
	web.VulnerabilitySummary
	Link string
}

// vulnerabilities lists what images have.
func (s *server) vulnerabilities(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	q := r.URL.Query()
	page := vulnerabilityList{Text: strings.TrimSpace(q.Get("q")), Severity: q.Get("severity"), Fixable: q.Get("fixable") == "yes"}
	if len(page.Text) > maxFilter {
		return problem{http.StatusUnprocessableEntity, "The text to search for is too long."}
	}
	if page.Severity != "" && !slices.Contains(severityNames(), page.Severity) {
		return problem{http.StatusUnprocessableEntity, "There is no such severity."}
	}
	found, next, err := s.Store.Vulnerabilities(r.Context(), &web.VulnerabilityQuery{
		Limit: vulnerabilitiesOnPage, After: q.Get("cursor"), Text: page.Text, Severity: page.Severity, Fixable: page.Fixable,
	})
	if err = cursorProblem(err); err != nil {
		return fmt.Errorf("list vulnerabilities: %w", err)
	}
	for i := range found {
		page.Rows = append(page.Rows, vulnerabilityRow{found[i], vulnerabilitiesPath + "/" + url.PathEscape(found[i].ID)})
	}
	if q.Get("cursor") != "" {
		page.First = with(vulnerabilitiesPath, q, "cursor", "")
	}
	if next != "" {
		page.Next = with(vulnerabilitiesPath, q, "cursor", next)
	}
	s.render(w, http.StatusOK, "vulnerabilities", view{Title: "Vulnerabilities", User: user, Data: page})
	return nil
}
