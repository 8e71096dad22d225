package ui

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/notify"
)

const notificationRows = 100 // of one page

type notificationsPage struct {
	Rows         []notify.Notification
	Destinations []notify.Destination
	States       []notify.State
	Counts       map[notify.State]int64
	State        notify.State // that is asked for
	Destination  string       // likewise
	Next         string       // link of the next page
	Paged        bool         // it is not the first
}

// notifications shows what was told, is going to be, and could not be.
func (s *server) notifications(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	given := r.URL.Query()
	page := notificationsPage{
		Destinations: s.Notices.Destinations, States: notify.States(), State: notify.State(given.Get("state")), Destination: given.Get("destination"), Paged: given.Get("before") != "",
	}
	if page.State != "" && !slices.Contains(page.States, page.State) {
		return problem{http.StatusUnprocessableEntity, "A notification's state is waiting, sent or dead."}
	}
	list, next, err := s.Notices.Mailbox.Notifications(r.Context(), notify.Query{State: page.State, Destination: page.Destination, Before: given.Get("before"), Limit: notificationRows})
	if bad, ok := errors.AsType[badCursor](err); ok && bad.BadCursor() {
		return problem{http.StatusUnprocessableEntity, "There is no such page: start again with the first."}
	}
	if err != nil {
		return fmt.Errorf("list notifications: %w", err)
	}
	if page.Counts, err = s.Notices.Mailbox.NotificationCounts(r.Context()); err != nil {
		return fmt.Errorf("count notifications: %w", err)
	}
	page.Rows = list
	if next != "" {
		page.Next = "/notifications?" + url.Values{"state": {string(page.State)}, "destination": {page.Destination}, "before": {next}}.Encode()
	}
	s.render(w, http.StatusOK, "notifications", view{Title: "Notifications", User: user, Data: page})
	return nil
}

func (s *server) retryNotification(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	found, err := s.Notices.Mailbox.RetryNotification(r.Context(), r.PathValue("id"), s.Now().UTC())
	return s.notificationChanged(w, r, user, found, err, "notification retried")
}

func (s *server) discardNotification(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	found, err := s.Notices.Mailbox.DiscardNotification(r.Context(), r.PathValue("id"))
	return s.notificationChanged(w, r, user, found, err, "notification discarded")
}

// notificationChanged ends a change of a dead notification.
//
//nolint:revive // argument-limit: the last three are what a store said, and of what
func (s *server) notificationChanged(w http.ResponseWriter, r *http.Request, user *auth.User, found bool, err error, action string) error {
	if err != nil {
		return err
	}
	if !found {
		return problem{http.StatusNotFound, "There is no dead notification of that id."}
	}
	s.audit(r, user, action, r.PathValue("id"), nil)
	http.Redirect(w, r, "/notifications?state=dead", http.StatusSeeOther)
	return nil
}
