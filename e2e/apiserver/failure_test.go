package apiserver_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/runecast/runecast/pkg/policy"
)

// create asks for a pod, as a dry run so that a name can be used again.
func (l *lab) create(ctx context.Context, namespace string, img testImage) error {
	_, err := l.Client.CoreV1().Pods(namespace).Create(ctx, pod("web", container(img)), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// wantCallFailure checks what a user reads under failurePolicy Fail when the review itself failed.
func wantCallFailure(t *testing.T, err error, webhook string) {
	t.Helper()
	start := `Internal error occurred: failed calling webhook "` + webhook + `": `
	if !apierrors.IsInternalError(err) || !strings.HasPrefix(err.Error(), start) {
		t.Errorf("got:  %v\nwant: %s…", err, start)
	}
}

// testTokenRevoked revokes the token that the API server uses, with the command line, while the server runs. The gate closes
// within seconds under Fail, and opens under Ignore, as the operator chose.
func (l *lab) testTokenRevoked(t *testing.T) {
	t.Parallel()
	fail := l.namespace(t, map[string]string{testLabel: "revoked-fail"})
	ignore := l.namespace(t, map[string]string{testLabel: "revoked-ignore"})
	must(t, l.create(t.Context(), fail, l.images.fixed))
	wantDenial(t, l.create(t.Context(), fail, l.images.vulnerable), testWebhookName("revoked-fail"))
	wantDenial(t, l.create(t.Context(), ignore, l.images.vulnerable), testWebhookName("revoked-ignore"))

	must(t, l.revoked.revokeToken(t.Context()))
	var refusal error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, 5*time.Second, true, func(ctx context.Context) (bool, error) {
		refusal = l.create(ctx, fail, l.images.fixed)
		return refusal != nil, nil
	})
	if err != nil {
		t.Fatalf("the token still works 5 s after its revocation: %v", err)
	}
	wantCallFailure(t, refusal, testWebhookName("revoked-fail"))
	if !strings.Contains(refusal.Error(), "a valid API token is required") {
		t.Errorf("the user is not told that the token is the reason: %v", refusal)
	}
	must(t, l.create(t.Context(), ignore, l.images.vulnerable))
	must(t, l.revoked.ready(t.Context())) // it was the token, not the server
}

// testServerDown stops a server that worked.
func (l *lab) testServerDown(t *testing.T) {
	t.Parallel()
	fail := l.namespace(t, map[string]string{testLabel: "down-fail"})
	ignore := l.namespace(t, map[string]string{testLabel: "down-ignore"})
	must(t, l.create(t.Context(), fail, l.images.fixed))
	wantDenial(t, l.create(t.Context(), fail, l.images.vulnerable), testWebhookName("down-fail"))
	wantDenial(t, l.create(t.Context(), ignore, l.images.vulnerable), testWebhookName("down-ignore"))

	if err := l.stopped.process.Stop(syscall.SIGTERM); err != nil {
		t.Errorf("the server did not stop in order: %v\n%s", err, l.stopped.process.LogEnd())
	}
	refusal := l.create(t.Context(), fail, l.images.fixed)
	wantCallFailure(t, refusal, testWebhookName("down-fail"))
	if !strings.Contains(refusal.Error(), l.stopped.host) {
		t.Errorf("the user is not told which server: %v", refusal)
	}
	must(t, l.create(t.Context(), ignore, l.images.vulnerable))
}

// testSilentRegistry scans an image whose registry never answers. The review is answered half a second before the API server would
// give up (the configuration gives two seconds), and the user is told what to do.
func (l *lab) testSilentRegistry(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{testLabel: "silent-registry"})
	_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod("web", container(l.images.silent)), metav1.CreateOptions{})
	start := `admission webhook "` + testWebhookName("silent-registry") + `" denied the request: `
	if err == nil || !strings.HasPrefix(err.Error(), start) || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		t.Fatalf("got:  %v\nwant: %s…", err, start)
	}
	if status, ok := errors.AsType[*apierrors.StatusError](err); !ok || status.ErrStatus.Code != http.StatusForbidden {
		t.Errorf("code: %+v", err)
	}
	for _, want := range []string{l.images.silent.reference, "has not answered yet", "then retry"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the denial does not say %q: %v", want, err)
		}
	}
	d := l.decision(t, namespace, "web")
	if d.Verdict != policy.VerdictUnknown || d.Allowed || len(d.Images) != 1 || d.Images[0].Reference != l.images.silent.reference || d.Images[0].Digest != "" {
		t.Errorf("decision: %+v", d)
	}
	if d.Duration < 1400*time.Millisecond || d.Duration >= 2*time.Second {
		t.Errorf("answered after %s, want 1.5 s", d.Duration)
	}
}
