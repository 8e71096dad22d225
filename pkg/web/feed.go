package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/auth"
)

// feedStatus is the vulnerability data in use.
type feedStatus struct {
	Available bool           `json:"available"`
	Problem   string         `json:"problem,omitempty" doc:"Why there is none"`
	AgeHours  float64        `json:"ageHours,omitempty" doc:"Since the newest advisory in it"`
	Feed      *advisory.Info `json:"feed,omitempty"`
}

func (s *server) registerFeed(api huma.API) {
	o := operation(http.MethodGet, Prefix+"/feed", "get-feed", "The vulnerability data in use")
	o.Tags, o.Middlewares = []string{"feed"}, s.allow(api, auth.ActionRead)
	huma.Register(api, o, func(context.Context, *struct{}) (*struct{ Body feedStatus }, error) {
		info, err := s.Feed()
		if err != nil {
			return &struct{ Body feedStatus }{feedStatus{Problem: err.Error()}}, nil //nolint:nilerr // that there is none is the answer
		}
		return &struct{ Body feedStatus }{feedStatus{Available: true, AgeHours: s.Now().Sub(info.Date).Hours(), Feed: &info}}, nil
	})
}
