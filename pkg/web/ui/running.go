package ui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

// runningRow is how far an image of a running scan is, as people and the page's script read it.
type runningRow struct {
	Reference string `json:"-"`
	State     string `json:"state"` // Waiting, Running, Compliant, Not compliant, Failed
	Text      string `json:"text"`
	Percent   int    `json:"percent"`
}

type runningPage struct {
	web.RunningScan
	Rows    []runningRow
	Done    int  // images that are judged
	Stopped bool // its server was stopped
}

func stopped(running *web.RunningScan, now time.Time) bool { return now.Sub(running.Seen) > jobSilent }

func runningRows(running *web.RunningScan) (rows []runningRow, done int) {
	for i := range running.Images {
		image := &running.Images[i]
		row := runningRow{Reference: image.Reference, State: "Waiting", Text: "asks the registry, or waits for other scans"}
		switch {
		case image.Verdict == string(policy.VerdictAllow):
			row.State, row.Text, row.Percent = "Compliant", "", 100
		case image.Cause != "":
			row.State, row.Text, row.Percent = "Failed", image.Cause, 100
		case image.Verdict != "":
			row.State, row.Text, row.Percent = "Not compliant", "", 100
		case image.Total > 0:
			const megabyte = 1e6
			row.State, row.Percent = "Running", int(100*image.Done/image.Total)
			row.Text = fmt.Sprintf("%.1f of %.1f MB of layers read", float64(image.Done)/megabyte, float64(image.Total)/megabyte)
		}
		if image.Verdict != "" {
			done++
		}
		rows = append(rows, row)
	}
	return rows, done
}

// running shows a scan that is not done; false where there is none of that id.
func (s *server) running(w http.ResponseWriter, r *http.Request, user *auth.User, id string) (bool, error) {
	if len(id) > maxID {
		return false, nil
	}
	found, err := s.Store.RunningScan(r.Context(), id)
	if err != nil || found == nil {
		return false, err //nolint:wrapcheck // it says all there is to say
	}
	page := runningPage{RunningScan: *found, Stopped: stopped(found, s.Now())}
	page.Rows, page.Done = runningRows(found)
	s.render(w, http.StatusOK, "running", view{Title: "Scan", User: user, Data: page})
	return true, nil
}

// runningEvents tells the page's script how far a scan is, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html): state whenever that is new, done in the end.
func (s *server) runningEvents(w http.ResponseWriter, r *http.Request, _ *auth.User) error {
	id := r.PathValue("id")
	if len(id) > maxID {
		id = ""
	}
	control := http.NewResponseController(w)
	// The server's own limit is that of reviews. Where the connection cannot be told, it holds, and the browser connects again.
	_ = control.SetWriteDeadline(time.Now().Add(jobLimit + time.Minute))
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx passes each event on at once
	last, quiet := "", 0
	for {
		found, err := s.Store.RunningScan(r.Context(), id)
		if err != nil {
			return err //nolint:wrapcheck // it says all there is to say
		}
		if found == nil || stopped(found, s.Now()) {
			fmt.Fprint(w, "event: done\ndata: {}\n\n")
			_ = control.Flush()
			return nil
		}
		rows, _ := runningRows(found)
		plain, err := json.Marshal(rows)
		if err != nil {
			return fmt.Errorf("write how far a scan is: %w", err)
		}
		switch quiet++; {
		case string(plain) != last:
			last, quiet = string(plain), 0
			fmt.Fprintf(w, "event: state\ndata: %s\n\n", plain)
		case quiet%20 == 0: // so that proxies see that somebody is there
			fmt.Fprint(w, ":\n\n")
		}
		if err := control.Flush(); err != nil {
			return nil //nolint:nilerr // nobody listens any more
		}
		select {
		case <-time.After(jobTick):
		case <-s.Jobs.ending:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}
