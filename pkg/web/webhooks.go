package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/webhook"
)

// Webhooks tells what guards which namespaces of the cluster. Its error is a *webhook.UnavailableError where somebody can do
// something about it.
type Webhooks func(ctx context.Context) (*webhook.Survey, error)

func (s *server) registerWebhooks(api huma.API) {
	o := operation(http.MethodGet, Prefix+"/webhooks", "get-webhooks", "What guards which namespaces, and the certificates that webhooks rest on")
	o.Description = "As of the last 15 seconds. 503 says why it is not known and what to do about it."
	o.Tags, o.Middlewares = []string{"webhooks"}, s.allow(api, auth.ActionRead)
	huma.Register(api, o, s.webhooks)
}

func (s *server) webhooks(ctx context.Context, _ *struct{}) (*struct{ Body webhook.Survey }, error) {
	survey, err := s.Webhooks(ctx)
	if unavailable, ok := errors.AsType[*webhook.UnavailableError](err); ok {
		return nil, huma.Error503ServiceUnavailable(unavailable.Error())
	}
	if err != nil {
		s.Log.WithError(err).Warn("the cluster's webhooks cannot be read")
		return nil, huma.Error503ServiceUnavailable("the cluster's webhooks cannot be read: " + err.Error())
	}
	return &struct{ Body webhook.Survey }{*survey}, nil
}
