package admission

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
)

// ImagesRequest asks for a judgement of images that no workload names, as a pipeline does before it deploys.
type ImagesRequest struct {
	References []string    // in the order of the answer
	Platforms  []string    // os/arch; default those of the reviewer
	Trigger    TriggerType // default that of the reviewer
	User       string      // who asks, as lists show it
	// Judged is told of each image when it is judged: its position, and what the decision will say of it; default: nobody is.
	// Calls come side by side.
	Judged func(position int, image *DecisionImage)
}

// JudgeImages judges images by a policy as Review judges those of a workload, with the server's own credentials. The context's deadline
// is when the answer must be there; what is not scanned by then is pending, and its scan goes on. The outcomes are in the
// order of the references. Whether the decision is recorded is the caller's choice.
func (r *Reviewer) JudgeImages(ctx context.Context, p *policy.Policy, request *ImagesRequest, arrived time.Time) (decision *Decision, outcomes []policy.Outcome) {
	decision = &Decision{
		ID: uuid.NewString(), At: arrived.UTC(), Trigger: r.Trigger, PolicyID: p.ID, Policy: p.Name, PolicyRevision: p.Revision(), Mode: p.Mode,
		Kind: "Image", User: request.User,
	}
	if request.Trigger != "" {
		decision.Trigger = request.Trigger
	}
	defer func() {
		if caught := recover(); caught != nil {
			r.Metrics.Panicked()
			r.Log.WithFields(logrus.Fields{"panic": fmt.Sprint(caught), "stack": string(debug.Stack())}).Error("panic while judging images")
			r.unreviewable(p, decision, ReasonInternal, "an internal error", "look into the server's log")
			outcomes = make([]policy.Outcome, len(request.References))
			for i := range outcomes {
				outcomes[i] = policy.OutcomeUnscannable
			}
		}
		decision.Duration = r.Now().Sub(arrived)
	}()
	platforms := request.Platforms
	if len(platforms) == 0 {
		platforms = r.Platforms
	}
	images := r.judgeAll(ctx, p, &asked{references: request.References, platforms: platforms, judged: request.Judged})
	r.conclude(p, decision, images)
	for i := range images {
		outcomes = append(outcomes, images[i].subject.Outcome)
	}
	return decision, outcomes
}
