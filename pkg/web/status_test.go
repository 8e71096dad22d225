package web_test

import (
	"testing"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/web"
)

func TestStatusOf(t *testing.T) {
	t.Parallel()
	images := func(outcomes ...policy.Outcome) (list []admission.DecisionImage) {
		for _, outcome := range outcomes {
			list = append(list, admission.DecisionImage{Outcome: outcome})
		}
		return list
	}
	const scanned, pending, unscannable, noFeed = policy.OutcomeScanned, policy.OutcomePending, policy.OutcomeUnscannable, policy.OutcomeNoFeed
	for _, test := range []struct {
		name     string
		decision admission.Decision
		want     string
	}{
		{"all scanned", admission.Decision{Images: images(scanned, scanned), Verdict: policy.VerdictDeny}, web.StatusSuccess},
		{"a stale feed", admission.Decision{Images: images(scanned), Verdict: policy.VerdictUnknown, Reason: admission.ReasonStaleFeed}, web.StatusSuccess},
		{"one runs, one failed", admission.Decision{Images: images(unscannable, pending, scanned), Verdict: policy.VerdictUnknown, Reason: admission.ReasonUnknown}, web.StatusRunning},
		{"one failed, one runs", admission.Decision{Images: images(pending, unscannable)}, web.StatusRunning},
		{"one failed, another denied", admission.Decision{Images: images(scanned, unscannable), Verdict: policy.VerdictDeny, Reason: admission.ReasonViolation}, web.StatusFailed},
		{"no feed", admission.Decision{Images: images(noFeed), Verdict: policy.VerdictUnknown, Reason: admission.ReasonNoFeed}, web.StatusFailed},
		{"old, pending", admission.Decision{Images: images("", scanned), Verdict: policy.VerdictUnknown, Reason: admission.ReasonPending}, web.StatusRunning},
		{"old, unscannable", admission.Decision{Images: images(""), Verdict: policy.VerdictUnknown, Reason: admission.ReasonUnscannable}, web.StatusFailed},
		{"old, stale feed", admission.Decision{Images: images(""), Verdict: policy.VerdictUnknown, Reason: admission.ReasonStaleFeed}, web.StatusSuccess},
		{"old, denied", admission.Decision{Images: images(""), Verdict: policy.VerdictDeny, Reason: admission.ReasonViolation}, web.StatusSuccess},
		{"no image", admission.Decision{Verdict: policy.VerdictAllow, Reason: admission.ReasonUnchanged}, web.StatusSuccess},
	} {
		if got := web.StatusOf(&test.decision); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	for _, test := range []struct {
		image admission.DecisionImage
		want  string
	}{
		{admission.DecisionImage{Outcome: pending, Cause: "the scan goes on"}, web.StatusRunning},
		{admission.DecisionImage{Outcome: noFeed, Cause: "no feed"}, web.StatusFailed},
		{admission.DecisionImage{Outcome: scanned}, web.StatusSuccess},
		{admission.DecisionImage{Cause: "not found"}, web.StatusFailed},
		{admission.DecisionImage{}, web.StatusSuccess},
	} {
		if got := web.ImageStatus(&test.image); got != test.want {
			t.Errorf("image %+v: %s, want %s", test.image, got, test.want)
		}
	}
}
