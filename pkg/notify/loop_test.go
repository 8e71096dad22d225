package notify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/store/storetest"
)

// clock is a time that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// bench is an outbox with one destination and who sends to it.
type bench struct {
	t     *testing.T
	store *store.Store
	to    notify.Destination
	plan  *notify.Plan
	loop  *notify.Loop
	sink  notify.Sink
	clock *clock
	log   *logtest.Hook

	mu       sync.Mutex
	outcomes []string
}

func newBench(t *testing.T, dsn string, to notify.Destination) *bench { //nolint:gocritic // hugeParam: called by tests alone
	t.Helper()
	log, hook := logtest.NewNullLogger()
	b := &bench{t: t, store: storetest.Open(t, dsn), to: to, plan: notify.NewPlan([]notify.Destination{to}, pages), sink: notify.Impatient(sinkOf(t, to), time.Minute), clock: &clock{now: at()}, log: hook}
	b.loop = notify.NewLoop(notify.Options{
		Outbox: b.store, Destinations: []notify.Destination{to}, Sink: func(*notify.Destination) notify.Sink { return b.sink }, Log: log, Now: b.clock.Now,
		Interval: 20 * time.Millisecond, Keep: 24 * time.Hour, Attempted: func(destination, outcome string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.outcomes = append(b.outcomes, destination+" "+outcome)
		},
	})
	return b
}

func (b *bench) record(list ...*admission.Decision) {
	b.t.Helper()
	if err := (notify.Decisions{Store: b.store, Plan: b.plan}).CreateDecisions(b.t.Context(), list); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) once() int {
	b.t.Helper()
	n, err := b.loop.Once(b.t.Context(), b.to.Name, b.sink)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) one() notify.Notification {
	b.t.Helper()
	list, _, err := b.store.Notifications(b.t.Context(), notify.Query{})
	if err != nil || len(list) != 1 {
		b.t.Fatalf("%+v %v", list, err)
	}
	return list[0]
}

// TestRetry has a receiver fail, ask to wait, then take the notification: each time the same id and content, and nothing before its time.
func TestRetry(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 1:
			w.WriteHeader(http.StatusInternalServerError)
		case 2:
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	b := newBench(t, storetest.SQLite().New(t), r.webhook(t))
	b.record(decision("d-1"))
	for i, step := range []struct {
		forward time.Duration
		sent    int
	}{{0, 1}, {7 * time.Second, 0}, {6 * time.Second, 1}, {59 * time.Minute, 0}, {2 * time.Minute, 1}, {24 * time.Hour, 0}} {
		b.clock.forward(step.forward)
		if n := b.once(); n != step.sent {
			t.Errorf("step %d: %d sent, want %d", i, n, step.sent)
		}
	}
	got := r.all()
	if len(got) != 3 {
		t.Fatalf("%d requests", len(got))
	}
	for _, again := range got[1:] {
		if again.body != got[0].body || again.header.Get("Webhook-Id") != got[0].header.Get("Webhook-Id") || again.header.Get("Webhook-Timestamp") == got[0].header.Get("Webhook-Timestamp") {
			t.Errorf("%+v, before %+v", again, got[0])
		}
	}
	if n := b.one(); n.State != notify.StateSent || n.Attempts != 3 || n.Error != "" || fmt.Sprint(b.outcomes) != "[hook failed hook failed hook sent]" {
		t.Errorf("%+v %v", n, b.outcomes)
	}
}

// TestDead gives up at once what cannot be, and the rest after hours; a person has it sent again.
func TestDead(t *testing.T) {
	t.Parallel()
	code := 410
	var mu sync.Mutex
	r := newReceiver(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(code)
	})
	answer := func(c int) {
		mu.Lock()
		defer mu.Unlock()
		code = c
	}
	b := newBench(t, storetest.SQLite().New(t), r.webhook(t))
	b.record(decision("d-1"))
	b.once()
	n := b.one()
	if n.State != notify.StateDead || n.Attempts != 1 || n.Error != "410 Gone" {
		t.Fatalf("%+v", n)
	}
	answer(500)
	if ok, err := b.store.RetryNotification(t.Context(), n.ID, b.clock.Now()); err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	began, tries := b.clock.Now(), 0
	for b.one().State == notify.StateWaiting {
		tries += b.once()
		b.clock.forward(time.Minute)
	}
	if took := b.clock.Now().Sub(began); tries != notify.MaxAttempts || took < 5*time.Hour || took > 10*time.Hour {
		t.Errorf("given up after %d attempts in %s", tries, took)
	}
	answer(200)
	if ok, err := b.store.RetryNotification(t.Context(), n.ID, b.clock.Now()); err != nil || !ok {
		t.Fatalf("%v %v", ok, err)
	}
	b.once()
	if n := b.one(); n.State != notify.StateSent {
		t.Errorf("%+v", n)
	}
	for _, entry := range b.log.AllEntries() {
		if line, _ := entry.String(); strings.Contains(line, r.URL) || strings.Contains(line, whsec) {
			t.Errorf("the log shows where to: %s", line)
		}
	}
}

// TestGroupsOfDenials: a Deployment that is denied a thousand times an hour makes two notifications, not a thousand.
func TestGroupsOfDenials(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	b := newBench(t, storetest.SQLite().New(t), r.webhook(t))
	for i := range 1000 {
		d := decision(fmt.Sprintf("d-%d", i))
		d.At, d.Name = at().Add(time.Duration(i)*3600*time.Millisecond), fmt.Sprintf("web-5d8f7c9b%02d-", i%100)
		b.record(d)
		if i == 0 {
			b.once()
		}
	}
	b.clock.forward(2 * time.Hour)
	b.once()
	got := r.all()
	if len(got) != 2 || !strings.Contains(got[0].body, `"count":1,`) || !strings.Contains(got[1].body, `"count":999,`) {
		t.Errorf("%d notifications: %+v", len(got), got)
	}
}

// TestEndOfServer cuts off a notification that is being sent: it counts as not tried, and the next server sends it at once.
func TestEndOfServer(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 10)
	r := newReceiver(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		if began <- struct{}{}; n == 1 {
			<-r.Context().Done()
		}
	})
	dsn := storetest.SQLite().New(t)
	b := newBench(t, dsn, r.webhook(t))
	b.record(decision("d-1"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.loop.Run(ctx) }()
	<-began
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := b.one(); n.State != notify.StateWaiting || n.Attempts != 0 {
		t.Errorf("%+v", n)
	}
	if next := newBench(t, dsn, b.to); next.once() != 1 || b.one().State != notify.StateSent {
		t.Errorf("%+v", b.one())
	}
}

// TestReplicas has three servers on one database send what each of them records; nothing is sent twice.
func TestReplicas(t *testing.T) {
	t.Parallel()
	postgres.Require(t)
	for name, dsn := range map[string]string{"SQLite": storetest.SQLite().New(t), "PostgreSQL": postgres.Backend().New(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const replicas, each = 3, 10
			r := newReceiver(t, nil)
			to := r.webhook(t)
			to.MaxPerHour = 1000
			ctx, cancel := context.WithCancel(t.Context())
			var wait sync.WaitGroup
			for i := range replicas {
				b := newBench(t, dsn, to)
				wait.Go(func() { _ = b.loop.Run(ctx) })
				wait.Go(func() {
					for j := range each {
						d := decision(fmt.Sprintf("d-%d-%d", i, j))
						d.Name = fmt.Sprintf("web%d.%d", i, j)
						b.record(d)
					}
				})
			}
			until(t, "all were sent", func() bool { return len(r.all()) >= replicas*each })
			cancel()
			wait.Wait()
			seen := map[string]int{}
			for _, got := range r.all() {
				seen[got.header.Get("Webhook-Id")]++
			}
			if len(seen) != replicas*each || len(r.all()) != replicas*each {
				t.Errorf("%d notifications in %d requests, want %d", len(seen), len(r.all()), replicas*each)
			}
		})
	}
}

const childEnv = "RUNECAST_TEST_NOTIFY_CHILD"

// TestKilled kills a server when the receiver has its notification, before it can take note of that. Another server sends the
// same again, under the same id, when the lease is over and no sooner.
func TestKilled(t *testing.T) {
	if settings := os.Getenv(childEnv); settings != "" {
		child(t, strings.Split(settings, "\n"))
		return
	}
	t.Parallel()
	var command *exec.Cmd
	started := make(chan struct{})
	r := newReceiver(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-started
			_ = command.Process.Kill()
			<-r.Context().Done() // the answer does not get there
		}
	})
	dsn := storetest.SQLite().New(t)
	b := newBench(t, dsn, r.webhook(t))
	b.record(decision("d-1"))
	command = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
	command.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{dsn, b.to.URL, b.to.SecretFile, b.to.CAFile}, "\n"))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	if err := command.Wait(); err == nil || command.ProcessState.Exited() {
		t.Fatalf("the server was not killed: %v", err)
	}
	b.clock.forward(119 * time.Second)
	if n := b.once(); n != 0 {
		t.Error("sent again while the lease lasts")
	}
	b.clock.forward(2 * time.Second)
	b.once()
	got := r.all()
	if len(got) != 2 || got[0].header.Get("Webhook-Id") != got[1].header.Get("Webhook-Id") || got[0].body != got[1].body {
		t.Errorf("%+v", got)
	}
	if n := b.one(); n.State != notify.StateSent || n.Attempts != 2 {
		t.Errorf("%+v", n)
	}
}

// child is the server that is killed.
func child(t *testing.T, settings []string) {
	t.Helper()
	b := newBench(t, settings[0], notify.Destination{Name: "hook", Type: notify.TypeWebhook, URL: settings[1], SecretFile: settings[2], CAFile: settings[3]})
	b.once()
	t.Error("the server lives on")
}

// TestPrune deletes what was settled long ago.
func TestPrune(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	b := newBench(t, filepath.Join(t.TempDir(), "x.db"), r.webhook(t))
	b.record(decision("d-1"))
	b.once()
	b.clock.forward(25 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.loop.Run(ctx) }()
	until(t, "it is gone", func() bool {
		counts, err := b.store.NotificationCounts(t.Context())
		return err == nil && len(counts) == 0
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
