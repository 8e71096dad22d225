package app_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// reviewers send reviews until they are told to stop, and check each answer by itself.
type reviewers struct {
	s                     *served
	image                 string
	stop                  atomic.Bool
	sent, allowed, denied atomic.Int64
	complaint             sync.Once
	group                 sync.WaitGroup
}

func (r *reviewers) run() {
	const atMost = 20_000 // of one reviewer
	for n := range atMost {
		if r.stop.Load() {
			return
		}
		uid := strconv.Itoa(n)
		code, answer := r.s.do(http.MethodPost, reviewPath, strings.Replace(podReview(r.image), `"uid":"u"`, `"uid":"`+uid+`"`, 1))
		var review struct {
			Response struct {
				UID     string `json:"uid"`
				Allowed bool   `json:"allowed"`
				Status  struct {
					Message string `json:"message"`
				} `json:"status"`
			} `json:"response"`
		}
		err := json.Unmarshal([]byte(answer), &review)
		got := &review.Response
		switch {
		case err != nil || code != http.StatusOK || got.UID != uid:
		case got.Allowed:
			r.sent.Add(1)
			r.allowed.Add(1)
			continue
		case strings.HasPrefix(got.Status.Message, deniedLine) && strings.Contains(got.Status.Message, "1.1.1d-0+deb10u6 → 1.1.1d-0+deb10u7  CVE-2021-3711 critical"):
			r.sent.Add(1)
			r.denied.Add(1)
			continue
		}
		r.complaint.Do(func() { r.s.t.Errorf("%d %s, %v", code, answer, err) })
		return
	}
}

// decided is how many reviews were decided alike by one feed.
type decided struct {
	revision, reason string
	allowed          bool
	reviews          int64
}

// decisions sums up what is stored.
func (h *home) decisions() (all []decided, reviews int64) {
	h.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(h.dir, "runecast.db")+"?_pragma=busy_timeout(10000)") // the server writes meanwhile
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(h.t.Context(), `SELECT i.feed_revision, d.reason, d.allowed, count(*) FROM decisions d JOIN decision_images i ON i.decision_id = d.id GROUP BY 1, 2, 3`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d decided
		if err := rows.Scan(&d.revision, &d.reason, &d.allowed, &d.reviews); err != nil {
			h.t.Fatal(err)
		}
		all, reviews = append(all, d), reviews+d.reviews
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return all, reviews
}

// TestFeedIsSwappedUnderReviews updates a server's feed again and again, from one that denies an image to one that allows it and back,
// with a failing update before each, while reviews of that image come from many sides.
func TestFeedIsSwappedUnderReviews(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	h.fill()
	p := newPlace(t)
	denies := map[string]bool{} // by revision
	push := func(deny bool) string {
		fixed := "1.1.1d-0+deb10u1"
		if deny {
			fixed = "1.1.1d-0+deb10u7"
		}
		file, revision := p.index(fixed)
		p.push(file)
		denies[revision] = deny
		return revision
	}
	revision := push(true)
	code, _, errOut := h.run("feed", "pull", p.reference)
	want(t, code, errOut, 0)
	s := h.serve("--feed-url", p.reference, "--feed-update-interval", "20ms")
	s.client.Transport.(held).next.MaxIdleConnsPerHost = 12 //nolint:errcheck // it is one
	r := &reviewers{s: s, image: h.vulnerable}
	for range 12 {
		r.group.Go(r.run)
	}
	t.Cleanup(func() { // before the server's own end, whatever fails
		r.stop.Store(true)
		r.group.Wait()
	})
	layers := func(req *http.Request) bool { return req.Method == http.MethodGet && imagetest.Blob(req) }
	faults := []imagetest.Fault{imagetest.CutAfter(40), imagetest.WrongContent(), imagetest.Status(http.StatusForbidden)}
	answered := func(deny bool) {
		t.Helper()
		count := map[bool]*atomic.Int64{true: &r.denied, false: &r.allowed}[deny]
		from := count.Load()
		until(t, "reviews are answered by the new feed", func() bool { return t.Failed() || count.Load() > from+50 }) // more than were under way
	}
	answered(true)
	for n := range 6 {
		before := s.metric(failuresMetric)
		p.registry.Inject(layers, imagetest.Always, faults[n%len(faults)])
		next := push(n%2 == 1)
		until(t, "an update fails", func() bool { return s.metric(failuresMetric) > before })
		if now := h.revision(); now != revision {
			t.Errorf("after a failed update the feed is of the revision %s, was %s", now, revision)
		}
		p.registry.Heal()
		until(t, "the feed is the new one", func() bool { return h.revision() == next })
		answered(n%2 == 1)
		revision = next
	}
	r.stop.Store(true)
	r.group.Wait()
	sent, allowed, denied := r.sent.Load(), r.allowed.Load(), r.denied.Load()
	t.Logf("%d reviews: %d allowed, %d denied, by %d feeds", sent, allowed, denied, len(denies))
	if allowed == 0 || denied == 0 {
		t.Errorf("%d reviews were allowed and %d denied; both were to come", allowed, denied)
	}
	var list []decided
	var stored int64
	until(t, "the decisions are stored", func() bool { list, stored = h.decisions(); return stored >= sent })
	if stored != sent {
		t.Errorf("%d decisions are stored, %d reviews were answered", stored, sent)
	}
	seen := map[string]bool{}
	for _, d := range list {
		deny, known := denies[d.revision]
		if seen[d.revision] = true; !known || d.allowed == deny || d.reason != map[bool]string{true: "violation", false: "compliant"}[deny] {
			t.Errorf("decisions by a feed that is known: %v and denies: %v: %+v", known, deny, d)
		}
	}
	if len(seen) != len(denies) {
		t.Errorf("reviews were answered by %d feeds, there were %d: %+v", len(seen), len(denies), list)
	}
	if refused := s.metric("runecast_feeds_refused_total"); refused != 0 {
		t.Errorf("the server refused %v files", refused)
	}
}
