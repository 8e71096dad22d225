package apiserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/store"
)

const decisionLimit = 10 * time.Second // a decision is stored soon after its answer, not before

// decision waits for the one stored decision about the creation of an object.
func (l *lab) decision(t *testing.T, namespace, name string) admission.Decision {
	t.Helper()
	return l.decisionOf(t, namespace, name, "CREATE")
}

// decisionOf waits for the latest stored decision about an object and an operation.
func (l *lab) decisionOf(t *testing.T, namespace, name, operation string) admission.Decision {
	t.Helper()
	var found []admission.Decision
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, decisionLimit, true, func(ctx context.Context) (bool, error) {
		all, err := l.decisions(ctx, namespace)
		found = slices.DeleteFunc(all, func(d admission.Decision) bool { return d.Name != name || d.Operation != operation })
		return len(found) > 0, err
	})
	if err != nil {
		t.Fatalf("no decision on %s of %s/%s is stored: %v", operation, namespace, name, err)
	}
	return slices.MaxFunc(found, func(a, b admission.Decision) int { return a.At.Compare(b.At) })
}

// decisions gives all stored decisions about a namespace, newest first.
func (l *lab) decisions(ctx context.Context, namespace string) ([]admission.Decision, error) {
	all, next, err := l.store.Decisions(ctx, store.DecisionFilter{Namespace: namespace, Limit: 1000})
	if err == nil && next != "" {
		return nil, fmt.Errorf("more than one page of decisions about namespace %s", namespace)
	}
	return all, err
}

// openStore opens the main server's database beside the running server, as any other process may.
func (l *lab) openStore(t *testing.T) {
	t.Helper()
	var err error
	l.store, err = store.Open(t.Context(), "sqlite:"+filepath.Join(l.main.dataDir, "runecast.db")+"?mode=ro", nil)
	must(t, err)
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wantDecision checks the stored record of a review: what was asked, as "CREATE Pod", what was answered and which images were
// looked at.
func wantDecision(t *testing.T, d *admission.Decision, asked string, verdict policy.Verdict, imgs ...testImage) {
	t.Helper()
	if got := d.Operation + " " + d.Kind; got != asked || d.Verdict != verdict || d.Allowed != (verdict == policy.VerdictAllow) {
		t.Errorf("decision: %s: %s, allowed %t; want %s: %s", got, d.Verdict, d.Allowed, asked, verdict)
	}
	if d.Trigger != "K8s admission controller" {
		t.Errorf("decision: trigger type %q", d.Trigger)
	}
	if d.ReviewUID == "" || d.At.IsZero() || d.Duration <= 0 {
		t.Errorf("decision: uid %q, at %s, duration %s", d.ReviewUID, d.At, d.Duration)
	}
	got := make([]testImage, 0, len(d.Images))
	for i := range d.Images {
		got = append(got, testImage{reference: d.Images[i].Reference, digest: d.Images[i].Digest})
		if d.Images[i].FeedRevision == "" || d.Images[i].Platform != "linux/amd64" {
			t.Errorf("decision: image %s: platform %q, feed revision %q", d.Images[i].Reference, d.Images[i].Platform, d.Images[i].FeedRevision)
		}
	}
	if len(got) != len(imgs) || slices.ContainsFunc(imgs, func(img testImage) bool { return !slices.Contains(got, img) }) {
		t.Errorf("decision: images %v, want %v", got, imgs)
	}
}

// wantUnchanged checks the record of an update that brought no image: allowed, and nothing looked at.
func wantUnchanged(t *testing.T, d *admission.Decision, kind string) {
	t.Helper()
	wantDecision(t, d, "UPDATE "+kind, policy.VerdictAllow)
	if d.Reason != admission.ReasonUnchanged {
		t.Errorf("decision: reason %q, want %q", d.Reason, admission.ReasonUnchanged)
	}
}

// decisionLines gives the main server's log lines about the reviews of a namespace, and the whole log.
func (l *lab) decisionLines(t *testing.T, namespace string) (lines []map[string]any, text string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, decisionLimit, true, func(context.Context) (bool, error) {
		log, err := os.ReadFile(l.main.process.Stderr)
		if err != nil {
			return false, err
		}
		text, lines = string(log), nil
		for line := range bytes.Lines(log) {
			var fields map[string]any
			if json.Unmarshal(line, &fields) == nil && fields["namespace"] == namespace {
				lines = append(lines, fields)
			}
		}
		return len(lines) > 0, nil
	})
	if err != nil {
		t.Fatalf("no log line about namespace %s: %v\n%s", namespace, err, l.main.process.LogEnd())
	}
	return lines, text
}
