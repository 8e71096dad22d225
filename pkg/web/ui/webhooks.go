package ui

import (
	"errors"
	"net/http"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/webhook"
)

type webhooksPage struct {
	*webhook.Survey
	Missing, Remedy string // why there is none, and what to do
}

// Unguarded is how many namespaces nothing guards.
func (p webhooksPage) Unguarded() int {
	n := 0
	for i := range p.Namespaces {
		if len(p.Namespaces[i].GuardedBy) == 0 {
			n++
		}
	}
	return n
}

// webhooks shows what guards which namespaces, and how long certificates are good for.
func (s *server) webhooks(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	survey, err := s.Webhooks(r.Context())
	page := webhooksPage{Survey: survey}
	if err != nil {
		page.Missing, page.Remedy = err.Error(), "See the server's log, and runecast webhook status."
		if known, ok := errors.AsType[*webhook.UnavailableError](err); ok {
			page.Missing, page.Remedy = known.Text, known.Remedy
		} else {
			s.Log.WithError(err).Warn("the cluster's webhooks cannot be read")
		}
	}
	s.render(w, http.StatusOK, "webhooks", view{Title: "Webhooks", User: user, Data: page})
	return nil
}
