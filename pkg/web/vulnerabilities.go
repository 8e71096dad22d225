package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/advisory"
)

type listVulnerabilities struct {
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor   string `query:"cursor" maxLength:"1000" doc:"The nextCursor of the page before"`
	Text     string `query:"q" maxLength:"512" doc:"A part of an id or of an alias, in any case"`
	Severity string `query:"severity" enum:"critical,high,medium,low,unknown" doc:"Only those that are that at worst; low has CVSS's none"`
	Fixable  bool   `query:"fixable" doc:"Only those of which an image has a package with a known fixed version"`
}

type vulnerabilityPage struct {
	Body struct {
		Vulnerabilities []VulnerabilitySummary `json:"vulnerabilities" doc:"The worst first, then those that most images have"`
		Next            string                 `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
	}
}

type getVulnerability struct {
	ID     string `path:"id" maxLength:"512" doc:"Its id, or an alias, in any case"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Of images"`
	Cursor string `query:"cursor" maxLength:"200" doc:"The nextCursor of the page of images before"`
}

// vulnerabilityDetail is a vulnerability with a page of the images that have it.
type vulnerabilityDetail struct {
	VulnerabilitySummary
	Aliases        []string        `json:"aliases" doc:"Its other names"`
	Others         []string        `json:"otherIds,omitempty" doc:"Other vulnerabilities that go by the alias that was asked for"`
	Summary        string          `json:"summary,omitempty"`
	SeveritySource string          `json:"severitySource,omitempty" doc:"Who rated it, in the newest feed that it was seen with"`
	CVSS           *advisory.CVSS  `json:"cvss,omitempty"`
	EPSS           *advisory.EPSS  `json:"epss,omitempty"`
	KEV            *advisory.KEV   `json:"kev,omitempty"`
	Published      time.Time       `json:"published,omitzero"`
	AffectedImages []AffectedImage `json:"affectedImages" doc:"By their newest reports; those that came to be known last first"`
	Next           string          `json:"nextCursor,omitempty" doc:"Of the next page of images; not there after the last"`
}

func (s *server) registerVulnerabilities(api huma.API) {
	read := s.reads(api, "vulnerabilities", http.StatusUnprocessableEntity)
	huma.Register(api, read("/vulnerabilities", "list-vulnerabilities", "List the vulnerabilities of all images"), s.listVulnerabilities)
	one := read("/vulnerabilities/{id}", "get-vulnerability", "One vulnerability with the images that have it")
	one.Errors = append(one.Errors, http.StatusNotFound)
	huma.Register(api, one, s.getVulnerability)
}

func (s *server) listVulnerabilities(ctx context.Context, in *listVulnerabilities) (*vulnerabilityPage, error) {
	list, next, err := s.Store.Vulnerabilities(ctx, &VulnerabilityQuery{Limit: in.Limit, After: in.Cursor, Text: in.Text, Severity: in.Severity, Fixable: in.Fixable})
	if badCursor(err) {
		return nil, errCursor()
	}
	if err != nil {
		return nil, s.internal("the vulnerabilities cannot be read", err)
	}
	out := &vulnerabilityPage{}
	out.Body.Vulnerabilities, out.Body.Next = list, next
	return out, nil
}

func (s *server) getVulnerability(ctx context.Context, in *getVulnerability) (*struct{ Body vulnerabilityDetail }, error) {
	v, err := s.Store.Vulnerability(ctx, in.ID)
	if err != nil {
		return nil, s.internal("the vulnerability cannot be read", err)
	}
	if v == nil {
		return nil, huma.Error404NotFound("no image that is kept has or had a vulnerability of that name")
	}
	images, next, err := s.Store.AffectedImages(ctx, &AffectedQuery{ID: v.ID, Limit: in.Limit, After: in.Cursor})
	if badCursor(err) {
		return nil, errCursor()
	}
	if err != nil {
		return nil, s.internal("the images cannot be read", err)
	}
	f := &v.Finding
	return &struct{ Body vulnerabilityDetail }{vulnerabilityDetail{
		VulnerabilitySummary: v.VulnerabilitySummary, Aliases: v.Aliases, Others: v.Others, Summary: f.Summary, SeveritySource: f.SeveritySource,
		CVSS: f.CVSS, EPSS: f.EPSS, KEV: f.KEV, Published: f.Published, AffectedImages: images, Next: next,
	}}, nil
}
