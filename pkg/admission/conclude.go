package admission

import (
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/policy"
)

// conclude makes the answer and the decision from what the policy says of each image: one image that is not allowed denies
// the whole object.
func (r *Reviewer) conclude(p *policy.Policy, decision *Decision, images []judged) *Response {
	decision.Verdict, decision.Allowed = policy.VerdictAllow, true
	results := make([]policy.ImageResult, 0, len(images))
	for i := range images {
		image := &images[i]
		decision.Images = append(decision.Images, image.record())
		decision.Allowed = decision.Allowed && image.result.Allowed
		decision.Verdict = policy.Worse(decision.Verdict, image.result.Verdict)
		results = append(results, policy.ImageResult{Reference: image.subject.Reference, Digest: image.subject.Digest, Result: image.result})
	}
	decision.Reason = reasonOf(decision.Verdict, images)
	notes := policy.Warnings(results)
	if age := r.staleFeed(images); age != "" {
		notes = append(notes, age)
	}
	response := &Response{Allowed: decision.Allowed, AuditAnnotations: annotations(decision)}
	if decision.Allowed {
		for _, note := range notes {
			response.Warnings = append(response.Warnings, "runecast: "+note)
		}
		response.Warnings = policy.LimitWarnings(response.Warnings)
		return response
	}
	// kubectl prints warnings before the error. A denial has none, so that its first line is the one that clients know.
	decision.Message = policy.DenialMessage(p, results)
	for _, note := range notes[:min(len(notes), maxNotes)] {
		decision.Message += "\nnote: " + note
	}
	response.Message = decision.Message
	return response
}

// maxStored is how many violations of an image a stored decision repeats.
const maxStored = 50

// maxNotes is how many notes follow a denial's details, of at most 256 runes each.
const maxNotes = 5

// record gives what is stored of an image.
func (j *judged) record() DecisionImage {
	image := DecisionImage{
		Reference: j.subject.Reference, Digest: j.subject.Digest, Platform: j.subject.Platform, FeedRevision: j.revision,
		Outcome: j.subject.Outcome, Verdict: j.result.Verdict, Cause: j.subject.Cause, Exempted: j.result.Exempted,
		Violations: j.result.Violations[:min(len(j.result.Violations), maxStored)], Violated: len(j.result.Violations),
	}
	if j.revision != "" {
		image.Counts = CountsOf(j.subject.Findings)
	}
	return image
}

// reasonOf names an unknown verdict's cause where there is one alone.
func reasonOf(verdict policy.Verdict, images []judged) string {
	switch verdict {
	case policy.VerdictAllow:
		return ReasonCompliant
	case policy.VerdictDeny:
		return ReasonViolation
	case policy.VerdictUnknown:
	}
	reason := ""
	for i := range images {
		for _, unknown := range images[i].result.Unknown {
			if reason != "" && reason != switchReason(unknown.Switch) {
				return ReasonUnknown
			}
			reason = switchReason(unknown.Switch)
		}
	}
	if reason == "" {
		return ReasonUnknown
	}
	return reason
}

// switchReason names the unknown that a policy's switch is about.
func switchReason(name string) string {
	switch name {
	case "onPending":
		return ReasonPending
	case "onUnscannable":
		return ReasonUnscannable
	case "onNoFeed":
		return ReasonNoFeed
	case "onStaleFeed":
		return ReasonStaleFeed
	case "onUnknownDistro", "onEndOfLife":
		return ReasonUnknownDistro
	default:
		return ReasonUnknown
	}
}

// staleFeed gives a line about the oldest feed that images were judged by, where it is older than staleAfter.
func (r *Reviewer) staleFeed(images []judged) string {
	var oldest time.Time
	for i := range images {
		date := images[i].subject.FeedDate
		if !date.IsZero() && (oldest.IsZero() || date.Before(oldest)) {
			oldest = date
		}
	}
	age := r.Now().Sub(oldest)
	if oldest.IsZero() || age < staleAfter {
		return ""
	}
	return fmt.Sprintf("the vulnerability data is of %s, %d days old", oldest.UTC().Format(time.DateOnly), int(age.Hours()/24))
}

// logFields is the one line that the log has of each review.
func (d *Decision) logFields(dryRun bool) logrus.Fields {
	references := make([]string, 0, len(d.Images))
	for i := range d.Images {
		image := d.Images[i].Reference
		if d.Images[i].Digest != "" {
			image += " " + d.Images[i].Digest
		}
		references = append(references, image)
	}
	return logrus.Fields{
		"uid": d.ReviewUID, "decision": d.ID, "kind": d.Kind, "namespace": d.Namespace, "name": d.Name, "operation": d.Operation, "user": d.User,
		"dryRun": dryRun, "policy": d.PolicyID, "verdict": d.Verdict, "allowed": d.Allowed, "reason": d.Reason, "images": references,
		"duration": d.Duration.Round(time.Microsecond).String(),
	}
}
