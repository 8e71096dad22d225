package job_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
)

// fake is a cluster in memory that answers some writes with a conflict.
type fake struct {
	world     plan.World
	conflicts int // of the next writes
	fault     error
	writes    int
	events    []string
}

func (f *fake) Look(context.Context) (*plan.World, error) { w := f.world; return &w, nil }

func (f *fake) Do(_ context.Context, step *plan.Step) error {
	if f.conflicts > 0 {
		f.conflicts--
		return cluster.ErrConflict
	}
	if f.fault != nil {
		return f.fault
	}
	f.writes++
	if step.Secret != nil {
		*map[string]**corev1.Secret{"ca": &f.world.CASecret, "tls": &f.world.ServingSecret, "key": &f.world.KeySecret}[step.Secret.Name] = step.Secret
	}
	return nil
}

func (f *fake) Event(_ context.Context, secret, kind, reason, message string) error {
	if len(message) > 1000 {
		return errors.New("too long")
	}
	f.events = append(f.events, kind+" "+reason+" "+secret)
	return nil
}

// clock is moved by waiting alone.
type clock struct {
	now    time.Time
	waited []time.Duration
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Wait(ctx context.Context, d time.Duration) error {
	c.now, c.waited = c.now.Add(d), append(c.waited, d)
	return ctx.Err()
}

func runner(t *testing.T, f *fake) (*job.Runner, *clock, *logtest.Hook) {
	t.Helper()
	names, err := pki.NewNames("runecast", "", []string{"runecast-nginx"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	log, hook := logtest.NewNullLogger()
	c := &clock{now: time.Now()}
	return &job.Runner{
		Cluster: f, Clock: c, Timeout: 5 * time.Minute, Log: log,
		Options: plan.Options{
			Scope:     plan.Scope{Secrets: true, Create: true, Configure: true, Rotate: true},
			Namespace: "runecast", Source: plan.SourceCertgen, CASecret: "ca", ServingSecret: "tls", KeySecret: "key",
			Leaf: pki.Leaf{Names: names, Validity: 2160 * time.Hour}, CAValidity: 87600 * time.Hour, PropagationWait: 30 * time.Second, KeyWait: 3 * time.Minute, ContractAfter: 24 * time.Hour,
		},
	}, c, hook
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		conflicts int
		good      bool
	}{"none": {0, true}, "as many as are borne": {30, true}, "one more": {31, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{conflicts: c.conflicts}
			r, _, _ := runner(t, f)
			result, err := r.Converge(t.Context())
			if (err == nil) != c.good || (err != nil && !errors.Is(err, cluster.ErrConflict)) {
				t.Errorf("got %v", err)
			}
			if c.good && (len(result.Did) != 3 || f.writes != 3) {
				t.Errorf("%d writes, want 3", f.writes)
			}
			if !c.good && !slices.Contains(f.events, "Warning CertgenFailed tls") {
				t.Errorf("Events %q", f.events)
			}
		})
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	f := &fake{fault: errors.New("no room")}
	r, _, _ := runner(t, f)
	if _, err := r.Converge(t.Context()); err == nil || err.Error() != "make a CA: no room" {
		t.Errorf("got %v", err)
	}
}

// TestPending leaves waits that are longer than the run to the next one, which goes on.
func TestPending(t *testing.T) {
	t.Parallel()
	f := &fake{}
	r, c, _ := runner(t, f)
	if _, err := r.Converge(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.world.CASecret.Annotations[state.AnnotationRotate] = "now"
	result, err := r.Converge(t.Context())
	if err != nil || result.Pending == nil || !strings.HasPrefix(result.Pending.What, "keep the old CA") || !slices.Contains(c.waited, 30*time.Second) {
		t.Fatalf("pending %+v, %v, waited %v", result.Pending, err, c.waited)
	}
	again, err := r.Converge(t.Context())
	if err != nil || len(again.Did) != 0 || again.Pending == nil || !again.Pending.Until.Equal(result.Pending.Until) {
		t.Errorf("the next run at once: %d writes, pending %+v, %v", len(again.Did), again.Pending, err)
	}
	c.now = result.Pending.Until
	if last, err := r.Converge(t.Context()); err != nil || last.Pending != nil || len(last.Did) == 0 {
		t.Errorf("a day later: %d writes, pending %+v, %v", len(last.Did), last.Pending, err)
	}
}

// TestLenient makes faults of single webhooks warnings.
func TestLenient(t *testing.T) {
	t.Parallel()
	for _, lenient := range []bool{false, true} {
		f := &fake{}
		r, _, hook := runner(t, f)
		f.world.Managed = &admissionregistration.ValidatingWebhookConfiguration{Webhooks: []admissionregistration.ValidatingWebhook{{
			Name: "forgotten.example.com", ClientConfig: admissionregistration.WebhookClientConfig{Service: &admissionregistration.ServiceReference{}, CABundle: []byte("x")},
		}}}
		r.Lenient, r.Options.Configure = lenient, false
		if _, err := r.Converge(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.world.Managed.Webhooks[0].ClientConfig.CABundle = f.world.CASecret.Data["tls.crt"]
		r.Options.Configure = true
		hook.Reset()
		_, err := r.Converge(t.Context())
		warned := slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool { return e.Level.String() == "warning" && e.Message == "passed over" })
		if (err == nil) != lenient || warned != lenient {
			t.Errorf("lenient %t: error %v, warned %t", lenient, err, warned)
		}
	}
}

// TestEndless gives up on something that another program keeps changing back.
func TestEndless(t *testing.T) {
	t.Parallel()
	r, _, _ := runner(t, &fake{})
	r.Cluster = forgetful{&fake{}}
	if _, err := r.Converge(t.Context()); err == nil || !strings.Contains(err.Error(), "something else keeps changing it back") {
		t.Errorf("got %v", err)
	}
}

// forgetful takes every write and keeps none.
type forgetful struct{ *fake }

func (forgetful) Do(context.Context, *plan.Step) error { return nil }

// removed notes deletions in their order.
type removed struct {
	did   []string
	fail  string
	their []string
}

func (r *removed) delete(name string) (bool, error) {
	if name == r.fail {
		return false, errors.New("forbidden")
	}
	if slices.Contains(r.their, name) {
		return false, nil
	}
	r.did = append(r.did, name)
	return true, nil
}

func (r *removed) DeleteConfiguration(_ context.Context, name string) (bool, error) {
	return r.delete(name)
}

func (r *removed) DeleteSecret(_ context.Context, name string) (bool, error) { return r.delete(name) }

func (r *removed) Callers(context.Context) ([]string, error) { return []string{"by-hand"}, nil }

func TestRemove(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from   removed
		want   []string
		waited int
		good   bool
	}{
		"all":              {removed{}, []string{"chart", "key", "tls", "ca"}, 1, true},
		"theirs stays":     {removed{their: []string{"tls"}}, []string{"chart", "key", "ca"}, 1, true},
		"nothing there":    {removed{their: []string{"chart", "key", "tls", "ca"}}, nil, 0, true},
		"no configuration": {removed{fail: "chart"}, nil, 0, false},
		"no Secret":        {removed{fail: "tls"}, []string{"chart", "key"}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, hook := logtest.NewNullLogger()
			wait := &clock{now: time.Now()}
			r := job.Removal{Configuration: "chart", Secrets: []string{"key", "tls", "ca"}, Clock: wait, Log: log}
			err := r.Remove(t.Context(), &c.from)
			if (err == nil) != c.good || !slices.Equal(c.from.did, c.want) || len(wait.waited) != c.waited {
				t.Errorf("deleted %q, waited %v, %v", c.from.did, wait.waited, err)
			}
			told := hook.LastEntry() != nil && strings.HasSuffix(hook.LastEntry().Message, "kubectl delete validatingwebhookconfiguration by-hand")
			if told != c.good {
				t.Errorf("the configuration made by hand is told of: %t", told)
			}
		})
	}
}
