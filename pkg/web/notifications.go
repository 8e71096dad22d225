package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/notify"
)

// Notices is what there is to see and do about notifications.
type Notices struct {
	Mailbox      notify.Mailbox
	Destinations []notify.Destination
}

// destination is one as callers see it: where it leads is in the settings, and may be a secret.
type destination struct {
	Name       string        `json:"name"`
	Type       notify.Type   `json:"type" enum:"webhook,slack,email"`
	Events     []notify.Kind `json:"events"`
	Policies   []string      `json:"policies,omitempty" doc:"Only of these; none: of all"`
	Namespaces []string      `json:"namespaces,omitempty" doc:"Only in namespaces like these; none: in all"`
}

type listNotifications struct {
	Limit       int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor      string `query:"cursor" maxLength:"200" doc:"The nextCursor of the page before"`
	State       string `query:"state" enum:"waiting,sent,dead"`
	Destination string `query:"destination" maxLength:"63"`
}

type notificationPage struct {
	Body struct {
		Notifications []notify.Notification  `json:"notifications" doc:"Newest first"`
		Next          string                 `json:"nextCursor,omitempty" doc:"Of the next page; not there after the last"`
		Counts        map[notify.State]int64 `json:"counts" doc:"How many there are of each state"`
		Destinations  []destination          `json:"destinations" doc:"As the settings have them"`
	}
}

type notificationPath struct {
	ID string `path:"id" maxLength:"64"`
}

func (s *server) registerNotifications(api huma.API) {
	list := operation(http.MethodGet, Prefix+"/notifications", "list-notifications", "Notifications that wait, were sent or were given up, newest first")
	list.Tags, list.Middlewares = []string{"notifications"}, s.allow(api, auth.ActionRead)
	list.Errors = append(list.Errors, http.StatusUnprocessableEntity)
	huma.Register(api, list, s.listNotifications)
	retry := operation(http.MethodPost, Prefix+"/notifications/{id}/retry", "retry-notification", "Send a notification again that was given up, with the same id")
	retry.Tags, retry.Middlewares, retry.DefaultStatus = list.Tags, s.allow(api, auth.ActionManage), http.StatusNoContent
	retry.Errors = append(retry.Errors, http.StatusNotFound)
	huma.Register(api, retry, s.retryNotification)
	discard := operation(http.MethodDelete, Prefix+"/notifications/{id}", "discard-notification", "Delete a notification that was given up")
	discard.Tags, discard.Middlewares, discard.DefaultStatus, discard.Errors = list.Tags, retry.Middlewares, http.StatusNoContent, retry.Errors
	huma.Register(api, discard, s.discardNotification)
}

func (s *server) listNotifications(ctx context.Context, in *listNotifications) (*notificationPage, error) {
	list, next, err := s.Notices.Mailbox.Notifications(ctx, notify.Query{State: notify.State(in.State), Destination: in.Destination, Before: in.Cursor, Limit: in.Limit})
	if badCursor(err) {
		return nil, huma.Error422UnprocessableEntity("validation failed", &huma.ErrorDetail{Location: "query.cursor", Message: "it is none that a page gave: start again without one"})
	}
	if err != nil {
		return nil, s.internal("the notifications cannot be read", err)
	}
	out := &notificationPage{}
	if out.Body.Counts, err = s.Notices.Mailbox.NotificationCounts(ctx); err != nil {
		return nil, s.internal("the notifications cannot be counted", err)
	}
	out.Body.Notifications, out.Body.Next, out.Body.Destinations = list, next, []destination{}
	for i := range s.Notices.Destinations {
		d := &s.Notices.Destinations[i]
		out.Body.Destinations = append(out.Body.Destinations, destination{Name: d.Name, Type: d.Type, Events: d.Wanted(), Policies: d.Policies, Namespaces: d.Namespaces})
	}
	return out, nil
}

func (s *server) retryNotification(ctx context.Context, in *notificationPath) (*struct{}, error) {
	found, err := s.Notices.Mailbox.RetryNotification(ctx, in.ID, s.Now().UTC())
	return s.changed(ctx, found, err, "notification retried", in.ID)
}

func (s *server) discardNotification(ctx context.Context, in *notificationPath) (*struct{}, error) {
	found, err := s.Notices.Mailbox.DiscardNotification(ctx, in.ID)
	return s.changed(ctx, found, err, "notification discarded", in.ID)
}

// changed answers a change of a dead notification.
func (s *server) changed(ctx context.Context, found bool, err error, action, id string) (*struct{}, error) {
	if err != nil {
		return nil, s.internal("the notification cannot be changed", err)
	}
	if !found {
		return nil, huma.Error404NotFound("there is no dead notification of that id")
	}
	s.audit(ctx, action, id, nil)
	return nil, nil //nolint:nilnil // 204 has no body
}
