package job

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/plan"
)

const (
	maxConflicts = 30               // in a row
	maxWrites    = 60               // of one run; a rotation of everything takes about 20
	pollInterval = time.Second      // of endpoints and of what is not there yet
	lastWords    = 10 * time.Second // for Events after the time is over
)

// Cluster is what a run works on.
type Cluster interface {
	Look(ctx context.Context) (*plan.World, error)
	Do(ctx context.Context, step *plan.Step) error
	Event(ctx context.Context, secret, kind, reason, message string) error
}

// Clock tells the time and waits.
type Clock interface {
	Now() time.Time
	Wait(ctx context.Context, d time.Duration) error
}

// Runner runs one command.
type Runner struct {
	Cluster Cluster
	Options plan.Options
	Clock   Clock
	Timeout time.Duration // of the run; a wait that is longer is left to the next one
	Log     logrus.FieldLogger

	// Lenient makes faults of single webhooks warnings: before an upgrade they are those of the release that is going.
	Lenient bool

	waited string // what the wait before was for
}

// Result is what a run did.
type Result struct {
	Did     []plan.Step // the writes, in their order
	Pending *plan.Step  // the wait that is left to a later run
	World   *plan.World // as it was seen last; nil when it never was
}

// Converge does all that is due. Faults that keep only a part from being done are in the error when the rest is done.
func (r *Runner) Converge(ctx context.Context) (Result, error) {
	result := Result{}
	err := r.converge(ctx, &result)
	if err != nil {
		r.event(context.WithoutCancel(ctx), r.Options.ServingSecret, corev1.EventTypeWarning, "CertgenFailed", err.Error())
	}
	return result, err
}

func (r *Runner) converge(ctx context.Context, result *Result) error {
	deadline := r.Clock.Now().Add(r.Timeout)
	for conflicts := 0; ; {
		world, err := r.Cluster.Look(ctx)
		if err != nil {
			return err //nolint:wrapcheck // it says what was looked at
		}
		result.World = world
		step, problems, err := plan.Decide(&r.Options, world, r.Clock.Now())
		if err != nil {
			return errors.Join(append(problems, err)...)
		}
		switch step.Action {
		case plan.Nothing:
			return r.conclude(append(problems, world.Blind...))
		case plan.Wait:
			pending, err := r.wait(ctx, &step, deadline)
			if err != nil {
				return err
			}
			if pending {
				return r.leave(&step, result, append(problems, world.Blind...))
			}
		case plan.Write:
			if len(result.Did) == maxWrites {
				return fmt.Errorf("%s: %d writes were not enough (the last: %s), so something else keeps changing it back", step.What, maxWrites, step.Why)
			}
			switch err := r.Cluster.Do(ctx, &step); {
			case err == nil:
				conflicts = 0
				result.Did = append(result.Did, step)
				r.tell(ctx, &step)
			case errors.Is(err, cluster.ErrConflict) && conflicts < maxConflicts:
				conflicts++
				r.Log.WithError(err).Debug("look again")
				if failure := r.Clock.Wait(ctx, time.Duration(rand.Int64N(int64(50*time.Millisecond)))); failure != nil { //nolint:gosec // a jitter
					return failure //nolint:wrapcheck // the context's
				}
			default:
				return fmt.Errorf("%s: %w", step.What, err)
			}
		}
	}
}

// wait waits for a step's time, or tells that it is left to a later run.
func (r *Runner) wait(ctx context.Context, step *plan.Step, deadline time.Time) (pending bool, err error) {
	now := r.Clock.Now()
	d := step.Until.Sub(now)
	if step.Poll {
		d = pollInterval
	}
	if now.Add(d).After(deadline) {
		return true, nil
	}
	log := r.Log.WithFields(logrus.Fields{"for": d.Round(time.Millisecond).String(), "why": step.Why})
	if text := step.What + step.Why; text == r.waited {
		log.Debug(step.What) // it was said at the poll before
	} else {
		r.waited = text
		log.Info(step.What)
	}
	if err := r.Clock.Wait(ctx, d); err != nil {
		return false, fmt.Errorf("%s: %w", step.What, err)
	}
	return false, nil
}

// leave ends a run with a wait that is left to a later one.
func (r *Runner) leave(step *plan.Step, result *Result, problems []error) error {
	result.Pending = step
	log := r.Log.WithField("why", step.Why)
	if !step.Poll {
		log = log.WithField("until", step.Until.UTC().Format(time.RFC3339))
	}
	log.Info("left to a later run: " + step.What)
	if step.Overdue {
		problems = append(problems, fmt.Errorf("%s: it takes more than an hour: %s", step.What, step.Why))
	}
	return r.conclude(problems)
}

// conclude makes one error of problems.
func (r *Runner) conclude(problems []error) error {
	if r.Lenient {
		for _, p := range problems {
			r.Log.WithError(p).Warn("passed over")
		}
		return nil
	}
	return errors.Join(problems...)
}

// tell says what was done.
func (r *Runner) tell(ctx context.Context, step *plan.Step) {
	r.Log.WithFields(logrus.Fields{"why": step.Why, "event": step.Event}).Info(step.What)
	if step.Event == "" {
		return
	}
	secret := r.Options.ServingSecret
	if step.Secret != nil {
		secret = step.Secret.Name
	}
	r.event(ctx, secret, corev1.EventTypeNormal, step.Event, step.What+": "+step.Why)
}

// event writes an Event. Where that fails only the log says so: the work is worth more than its announcement.
func (r *Runner) event(ctx context.Context, secret, kind, reason, message string) {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	if len(message) > 1000 { // the API server takes 1024 bytes
		message = message[:1000]
	}
	if err := r.Cluster.Event(ctx, secret, kind, reason, message); err != nil {
		r.Log.WithError(err).Warn("no Event could be written")
	}
}

// AwaitConfiguration waits until the chart's webhook configuration is there, for the time of the run.
func (r *Runner) AwaitConfiguration(ctx context.Context, name string) error {
	return r.await(ctx, "ValidatingWebhookConfiguration "+name+" to be there", func(w *plan.World) (bool, string) {
		return w.Managed != nil, "it is not"
	})
}

// AwaitEndpoints waits until every ready endpoint presents the leaf of the serving Secret, for the time of the run.
func (r *Runner) AwaitEndpoints(ctx context.Context) error {
	return r.await(ctx, "every ready endpoint to present the serving certificate", func(w *plan.World) (bool, string) {
		if w.Present == nil {
			return false, "no service or no serving Secret to look at"
		}
		p := w.Present()
		return p.All(), p.String()
	})
}

func (r *Runner) await(ctx context.Context, what string, look func(*plan.World) (done bool, why string)) error {
	deadline := r.Clock.Now().Add(r.Timeout)
	for {
		world, err := r.Cluster.Look(ctx)
		if err != nil {
			return err //nolint:wrapcheck // it says what was looked at
		}
		done, why := look(world)
		if done {
			return nil
		}
		if r.Clock.Now().Add(pollInterval).After(deadline) {
			return fmt.Errorf("waited %s for %s: %s", r.Timeout, what, why)
		}
		if err := r.Clock.Wait(ctx, pollInterval); err != nil {
			return fmt.Errorf("wait for %s: %s: %w", what, why, err)
		}
	}
}

// RealClock is the machine's clock.
type RealClock struct{}

// Now gives the time.
func (RealClock) Now() time.Time { return time.Now() }

// Wait waits, or gives the context's error.
func (RealClock) Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx) //nolint:wrapcheck // the context's own
	}
}
