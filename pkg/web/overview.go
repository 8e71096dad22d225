package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

type getOverview struct {
	Days  int `query:"days" minimum:"1" maximum:"366" default:"30" doc:"How far back the verdicts go"`
	Hours int `query:"hours" minimum:"1" maximum:"24" default:"24" doc:"Of one bucket of verdicts: a number that 24 can be divided by"`
	Top   int `query:"top" minimum:"1" maximum:"100" default:"10" doc:"Entries of each list of what denies most"`
}

type overviewBody struct {
	Verdicts        []VerdictBucket `json:"verdicts" doc:"Scans by verdict and time, ascending"`
	Today           VerdictCounts   `json:"today" doc:"Scans since midnight UTC"`
	Rules           []DeniedCount   `json:"rules" doc:"What denied most scans of the last 30 days"`
	Vulnerabilities []DeniedCount   `json:"vulnerabilities"`
	Packages        []DeniedCount   `json:"packages"`
	AtRisk          RiskCounts      `json:"imagesAtRisk" doc:"Images that the latest review let in, and whose newest verdict is deny or unknown"`
}

type listRisks struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor  string `query:"cursor" maxLength:"2000" doc:"The nextCursor of the page before"`
	Flipped bool   `query:"flipped" doc:"Only those that complied when they were let in"`
}

type riskPage struct {
	Body struct {
		Images []ImageAtRisk `json:"images" doc:"Those whose verdict changed last first"`
		Next   string        `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
	}
}

func (s *server) registerOverview(api huma.API) {
	read := s.reads(api, "overview", http.StatusUnprocessableEntity)
	huma.Register(api, read("/overview", "get-overview", "The numbers of the Overview"), s.getOverview)
	huma.Register(api, read("/images-at-risk", "list-images-at-risk", "List the images that were let in and would not be now"), s.listRisks)
}

func (s *server) getOverview(ctx context.Context, in *getOverview) (*struct{ Body overviewBody }, error) {
	if 24%in.Hours != 0 {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.hours", Message: "24 cannot be divided by it", Value: in.Hours})
	}
	o, err := s.Store.Overview(ctx, &OverviewQuery{
		Now: s.Now(), Span: time.Duration(in.Days) * 24 * time.Hour, Step: time.Duration(in.Hours) * time.Hour, Top: in.Top,
	})
	if err != nil {
		return nil, s.internal("the overview cannot be read", err)
	}
	return &struct{ Body overviewBody }{overviewBody(*o)}, nil
}

func (s *server) listRisks(ctx context.Context, in *listRisks) (*riskPage, error) {
	list, next, err := s.Store.ImagesAtRisk(ctx, &RiskQuery{Limit: in.Limit, After: in.Cursor, Flipped: in.Flipped})
	if badCursor(err) {
		return nil, errCursor()
	}
	if err != nil {
		return nil, s.internal("the images cannot be read", err)
	}
	out := &riskPage{}
	out.Body.Images, out.Body.Next = list, next
	return out, nil
}
