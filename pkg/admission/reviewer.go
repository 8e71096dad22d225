package admission

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/workload"
)

// Reasons of decisions, as metrics and lists show them.
const (
	ReasonCompliant     = "compliant" // every image was judged, none breaks the policy
	ReasonViolation     = "violation" // an image breaks the policy
	ReasonPending       = "pending"
	ReasonUnscannable   = "unscannable"
	ReasonNoFeed        = "no-feed"
	ReasonStaleFeed     = "stale-feed"
	ReasonUnknownDistro = "unknown-distro"  // the distribution, or how long it is supported
	ReasonUnknown       = "unknown"         // an image could not be judged, for several reasons
	ReasonUnchanged     = "unchanged"       // an update that brings no image
	ReasonNoTemplate    = "no-pod-template" // a kind that names no image
	ReasonOperation     = "operation"       // a deletion or a connection
	ReasonUnreadable    = "unreadable"      // the object cannot be decoded
	ReasonTooMany       = "too-many-images"
	ReasonInternal      = "internal-error"
)

const (
	defaultMaxImages   = 200
	defaultConcurrency = 16
	// staleAfter is the age from which on a feed's age is part of every answer.
	staleAfter = 7 * 24 * time.Hour
)

// PullSecrets finds the credentials that the kubelet would pull a workload's images with. An empty service account is the
// namespace's default. What cannot be read is told by the Access, never by nil.
type PullSecrets interface {
	Access(ctx context.Context, namespace, serviceAccount string, secrets []string) scan.Access
}

// ReviewerConfig is what a Reviewer works with. Scanner, Metrics and Log are required.
type ReviewerConfig struct {
	Scanner scan.Scanner
	Metrics Metrics
	Log     logrus.FieldLogger
	// PullSecrets reads the credentials of workloads; default nil: the server's own alone are used.
	PullSecrets PullSecrets
	Trigger     TriggerType // of its decisions; default TriggerAdmission
	Platforms   []string    // of the cluster's nodes, for workloads that do not say where they run; default linux/amd64
	MaxImages   int         // distinct new images of one object; an object with more is unscannable; default 200
	PublicURL   string      // where people find the pages, https://host[:port]; default none: answers link to nothing
	Now         func() time.Time
}

// Reviewer decides reviews. It is safe for concurrent use.
type Reviewer struct{ ReviewerConfig }

// NewReviewer makes a Reviewer.
func NewReviewer(config ReviewerConfig) *Reviewer { //nolint:gocritic // made once; a value cannot be changed behind its back
	if config.Trigger == "" {
		config.Trigger = TriggerAdmission
	}
	if len(config.Platforms) == 0 {
		config.Platforms = []string{"linux/amd64"}
	}
	if config.MaxImages <= 0 {
		config.MaxImages = defaultMaxImages
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Reviewer{ReviewerConfig: config}
}

// Review decides one request by a policy. The context's deadline is when the answer must be there: images whose scans are
// not done by then are judged as pending. arrived is when the request came in. The decision is complete, and whether it is recorded is the caller's choice. Review takes the request's objects out of it, once it has read them.
func (r *Reviewer) Review(ctx context.Context, p *policy.Policy, request *Request, arrived time.Time) (response *Response, decision *Decision) {
	decision = r.newDecision(p, request, arrived)
	defer func() {
		if caught := recover(); caught != nil {
			r.Metrics.Panicked()
			r.Log.WithFields(logrus.Fields{"uid": request.UID, "panic": fmt.Sprint(caught), "stack": strings.TrimSpace(string(debug.Stack()))}).Error("panic in a review")
			response = r.unreviewable(p, decision, ReasonInternal, "an internal error", "look into the server's log for review "+request.UID)
		}
		decision.Duration = r.Now().Sub(arrived)
	}()
	response = r.decide(ctx, p, request, decision)
	if !request.DryRun { // a dry run is not recorded, so there is no page about it
		r.link(response, decision)
	}
	return response, decision
}

func (r *Reviewer) newDecision(p *policy.Policy, request *Request, arrived time.Time) *Decision {
	return &Decision{
		ID: uuid.NewString(), ReviewUID: request.UID, At: arrived.UTC(), Trigger: r.Trigger,
		PolicyID: p.ID, Policy: p.Name, PolicyRevision: p.Revision(), Mode: p.Mode,
		Operation: request.Operation, Group: request.Group, Kind: request.Kind, Namespace: request.Namespace, Name: request.Name, User: request.User,
	}
}

// decide goes through the reasons to allow without a look at images, then judges the new ones.
func (r *Reviewer) decide(ctx context.Context, p *policy.Policy, request *Request, decision *Decision) *Response {
	if request.Operation != operationCreate && request.Operation != operationUpdate {
		return allow(decision, ReasonOperation)
	}
	current, err := workload.Parse(request.Group, request.Kind, request.Object)
	if errors.Is(err, workload.ErrNoPodTemplate) {
		return allow(decision, ReasonNoTemplate, fmt.Sprintf("runecast: %s names no image: allowed without a review", describeKind(request)))
	}
	if err != nil {
		return r.unreviewable(p, decision, ReasonUnreadable, err.Error(), "send the object in the form of its kind")
	}
	if decision.Name == "" {
		decision.Name = current.Name
	}
	var former *workload.Workload
	if request.Operation == operationUpdate {
		// An old object that cannot be read has no images that could be let through: all images are new then.
		if old, err := workload.Parse(request.Group, request.Kind, request.OldObject); err == nil {
			former = old
		}
	}
	request.Object, request.OldObject = nil, nil // megabytes, perhaps, that need not wait for a scan
	references := current.NewImages(former)
	switch {
	case len(references) == 0 && former != nil:
		return allow(decision, ReasonUnchanged)
	case len(references) > r.MaxImages:
		return r.unreviewable(p, decision, ReasonTooMany, fmt.Sprintf("the object names %d images, of which at most %d are reviewed", len(references), r.MaxImages), "split the workload")
	}
	return r.conclude(p, decision, r.judgeAll(ctx, p, &asked{
		references: references, platforms: r.platforms(current), access: r.access(ctx, p, request.Namespace, current, references),
	}))
}

// platforms lists where a workload may run: where it says, with the cluster's architectures where it names a system alone.
func (r *Reviewer) platforms(w *workload.Workload) []string {
	if len(w.Platforms) == 0 {
		return r.Platforms
	}
	var list []string
	for _, platform := range w.Platforms {
		os, arch, _ := strings.Cut(platform, "/")
		if arch != workload.AnyArch {
			list = append(list, platform)
			continue
		}
		for _, configured := range r.Platforms {
			_, arch, _ := strings.Cut(configured, "/")
			list = append(list, os+"/"+arch)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func describeKind(request *Request) string {
	if request.Group == "" {
		return request.Kind
	}
	return request.Kind + "." + request.Group
}

func allow(decision *Decision, reason string, warnings ...string) *Response {
	decision.Verdict, decision.Allowed, decision.Reason = policy.VerdictAllow, true, reason
	return &Response{Allowed: true, Warnings: warnings, AuditAnnotations: annotations(decision)}
}

// unreviewable lets the policy's switch for unscannable images decide about an object whose images cannot be told.
func (r *Reviewer) unreviewable(p *policy.Policy, decision *Decision, reason, cause, remedy string) *Response {
	subject := policy.Subject{Reference: describeObject(decision), Outcome: policy.OutcomeUnscannable, Cause: cause, Remedy: remedy}
	response := r.conclude(p, decision, []judged{{subject: subject, result: p.Evaluate(subject, r.Now())}})
	decision.Reason = reason
	response.AuditAnnotations = annotations(decision)
	return response
}

func describeObject(decision *Decision) string {
	return fmt.Sprintf("%s %s/%s", decision.Kind, decision.Namespace, decision.Name)
}

// annotations go into the API server's audit log, each under the webhook's name.
func annotations(decision *Decision) map[string]string {
	return map[string]string{"policy": decision.PolicyID, "verdict": string(decision.Verdict), "reason": decision.Reason, "decision": decision.ID}
}
