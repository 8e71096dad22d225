package admission

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/workload"
)

// judged is one image with what the policy says of it.
type judged struct {
	subject  policy.Subject
	result   policy.Result
	revision string // of the feed
	kind     scan.Kind
}

// asked is what of a workload is judged.
type asked struct {
	references []string
	platforms  []string
	access     scan.Access                              // nil: not known
	judged     func(position int, image *DecisionImage) // nil: nobody waits for single images
}

// tell tells of an image that is judged.
func (a *asked) tell(position int, image *judged) {
	if a.judged != nil {
		record := image.record()
		a.judged(position, &record)
	}
}

// access reads the workload's credentials where an image is going to be scanned. The namespace is that of the review, because
// the object's own is only what its sender wrote.
func (r *Reviewer) access(ctx context.Context, p *policy.Policy, namespace string, w *workload.Workload, references []string) scan.Access {
	if r.PullSecrets == nil || !slices.ContainsFunc(references, p.NeedsScanOf) {
		return nil
	}
	if namespace == "" {
		namespace = w.Namespace
	}
	return r.PullSecrets.Access(ctx, namespace, w.ServiceAccount, w.PullSecrets)
}

// judgeAll judges references side by side and keeps their order.
func (r *Reviewer) judgeAll(ctx context.Context, p *policy.Policy, asked *asked) []judged {
	references := asked.references
	results := make([]judged, len(references))
	if len(references) == 1 { // the common case needs no goroutine
		results[0] = r.judge(ctx, p, references[0], asked)
		asked.tell(0, &results[0])
		return results
	}
	var wait sync.WaitGroup
	slots := make(chan struct{}, defaultConcurrency)
	for i, reference := range references {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i] = r.judge(ctx, p, reference, asked)
			asked.tell(i, &results[i])
		})
	}
	wait.Wait()
	return results
}

// judge scans one reference on each platform that the workload may run on, side by side; the worst result counts. A platform
// that the image does not exist for counts only where it exists for none of them: no node of that platform can run it.
func (r *Reviewer) judge(ctx context.Context, p *policy.Policy, reference string, asked *asked) judged {
	platforms := asked.platforms
	if len(platforms) == 1 { // the common case needs no goroutine
		return r.judgeOn(ctx, p, scan.Request{Reference: reference, Platform: platforms[0], Access: asked.access})
	}
	results := make([]judged, len(platforms))
	var wait sync.WaitGroup
	for i, platform := range platforms {
		wait.Go(func() {
			results[i] = r.judgeOn(ctx, p, scan.Request{Reference: reference, Platform: platform, Access: asked.access})
		})
	}
	wait.Wait()
	worst := 0
	for i := range results {
		missing, wasMissing := results[i].kind == scan.KindNoPlatform, results[worst].kind == scan.KindNoPlatform
		if wasMissing && !missing || missing == wasMissing && worse(&results[i].result, &results[worst].result) {
			worst = i
		}
	}
	return results[worst]
}

func worse(a, b *policy.Result) bool {
	if a.Allowed != b.Allowed {
		return !a.Allowed
	}
	return a.Verdict != b.Verdict && policy.Worse(a.Verdict, b.Verdict) == a.Verdict
}

// judgeOn judges a reference on one platform. A panic below it becomes an unknown verdict.
func (r *Reviewer) judgeOn(ctx context.Context, p *policy.Policy, request scan.Request) (out judged) {
	reference, platform := request.Reference, request.Platform
	defer func() {
		if caught := recover(); caught != nil {
			r.Metrics.Panicked()
			r.Log.WithFields(logrus.Fields{"image": reference, "panic": fmt.Sprint(caught), "stack": string(debug.Stack())}).Error("panic while judging an image")
			out = judged{kind: scan.KindInternal, subject: policy.Subject{
				Reference: reference, Platform: platform, Outcome: policy.OutcomeUnscannable,
				Cause: "an internal error", Remedy: "look into the server's log for this image",
			}}
			out.result = p.Evaluate(out.subject, r.Now())
		}
	}()
	out.subject = policy.Subject{Reference: reference, Platform: platform, Outcome: policy.OutcomeScanned}
	if p.NeedsScanOf(reference) {
		report, err := r.Scanner.Scan(ctx, request)
		out.subject, out.kind = SubjectOf(request, report, err)
		if report != nil {
			out.revision = report.Feed.Revision
		}
	}
	out.result = p.Evaluate(out.subject, r.Now())
	return out
}

// SubjectOf turns what a scan gave, a report or an error, into what a policy judges, and tells the kind of the error. An error of
// no known kind makes the image unscannable.
func SubjectOf(request scan.Request, report *scan.Report, err error) (policy.Subject, scan.Kind) {
	if err == nil {
		return policy.Subject{
			Reference: request.Reference, Digest: report.Digest, Platform: report.Platform, Outcome: policy.OutcomeScanned,
			Findings: report.Findings, Distribution: report.Distribution, Uncovered: report.Uncovered, Unread: report.Unread,
			FeedDate: report.Feed.Date, FeedLacks: report.Feed.Lacks,
		}, ""
	}
	known := &scan.Error{Kind: scan.KindInternal, Remedy: "look into the server's log for this image"}
	if !errors.As(err, &known) && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		known.Kind, known.Remedy = scan.KindPending, "retry in a moment"
	}
	outcome := policy.OutcomeUnscannable
	switch known.Kind { //nolint:exhaustive // all others mean unscannable, as the comment of scan.Kind has it
	case scan.KindPending:
		outcome = policy.OutcomePending
	case scan.KindNoFeed:
		outcome = policy.OutcomeNoFeed
	}
	return policy.Subject{
		Reference: request.Reference, Platform: request.Platform, Outcome: outcome, Cause: err.Error(), Remedy: known.Remedy,
	}, known.Kind
}
