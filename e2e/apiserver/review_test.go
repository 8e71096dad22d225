package apiserver_test

import (
	"bytes"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/pkg/policy"
)

// testEphemeralContainers adds a debug container to a running pod, as kubectl debug does.
func (l *lab) testEphemeralContainers(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{testLabel: "ephemeral"})
	pods := l.Client.CoreV1().Pods(namespace)
	created, err := pods.Create(t.Context(), pod("web", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	debug := func(name string, img testImage) error {
		changed := created.DeepCopy()
		changed.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
			EphemeralContainerCommon: corev1.EphemeralContainerCommon{
				Name: name, Image: img.reference,
				ImagePullPolicy: corev1.PullIfNotPresent, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
			},
		}}
		_, refusal := pods.UpdateEphemeralContainers(t.Context(), "web", changed, metav1.UpdateOptions{})
		return refusal
	}
	wantDenial(t, debug("debug", l.images.vulnerable), testWebhookName("ephemeral"))
	d := l.decisionOf(t, namespace, "web", "UPDATE")
	wantDecision(t, &d, "UPDATE Pod", policy.VerdictDeny, l.images.vulnerable)
	must(t, debug("debug-fixed", l.images.fixed))
	now, err := pods.Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if got := now.Spec.EphemeralContainers; len(got) != 1 || got[0].Name != "debug-fixed" {
		t.Errorf("ephemeral containers: %v", got)
	}
}

// testDryRun wants the verdicts of the real thing and no record. A real request after the dry ones is the proof that their
// records would be there by now.
func (l *lab) testDryRun(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	pods := l.Client.CoreV1().Pods(namespace)
	_, err := pods.Create(t.Context(), pod("dry-vulnerable", container(l.images.vulnerable)), dry)
	wantDenial(t, err, operatorWebhook)
	_, err = pods.Create(t.Context(), pod("dry-fixed", container(l.images.fixed)), dry)
	must(t, err)
	_, err = pods.Create(t.Context(), pod("real", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	l.decision(t, namespace, "real")
	all, err := l.decisions(t.Context(), namespace)
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d decisions recorded, want that of the real pod alone: %+v", len(all), all)
	}
}

// testUnlabelledNamespace wants no review where no selector matches.
func (l *lab) testUnlabelledNamespace(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, nil)
	_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod("web", container(l.images.vulnerable)), metav1.CreateOptions{})
	must(t, err)
	reviewed := l.namespace(t, map[string]string{policyLabel: "2"})
	_, err = l.Client.CoreV1().Pods(reviewed).Create(t.Context(), pod("web", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	l.decision(t, reviewed, "web")
	all, err := l.decisions(t.Context(), namespace)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("reviewed though unlabelled: %+v", all)
	}
}

// testAllNamespaces is the operator's other selector: every namespace but kube-system.
func (l *lab) testAllNamespaces(t *testing.T) {
	t.Parallel()
	for namespace, denied := range map[string]bool{metav1.NamespaceDefault: true, metav1.NamespaceSystem: false} {
		labelled := pod("web", container(l.images.vulnerable))
		labelled.Labels = map[string]string{testLabel: "all-namespaces"}
		_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), labelled, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if denied {
			wantDenial(t, err, testWebhookName("all-namespaces"))
		} else if err != nil {
			t.Errorf("namespace %s: %v", namespace, err)
		}
	}
}

// testKindWithoutImages is a configuration that asks for too much: what names no image is admitted, and its user is told.
func (l *lab) testKindWithoutImages(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{testLabel: "every-kind"})
	config := rest.CopyConfig(l.Config)
	var told bytes.Buffer
	config.WarningHandler = rest.NewWarningWriter(&told, rest.WarningWriterOptions{})
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	_, err = client.CoreV1().ConfigMaps(namespace).Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"image": l.images.vulnerable.reference},
	}, metav1.CreateOptions{})
	must(t, err)
	if got, want := told.String(), "Warning: runecast: ConfigMap names no image: allowed without a review\n"; got != want {
		t.Errorf("the user reads %q, want %q", got, want)
	}
	_, err = client.CoreV1().Pods(namespace).Create(t.Context(), pod("web", container(l.images.vulnerable)), metav1.CreateOptions{})
	wantDenial(t, err, testWebhookName("every-kind"))
}

// testV1beta1 is an old configuration that accepts v1beta1 alone; the API server still sends it.
func (l *lab) testV1beta1(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{testLabel: "v1beta1"})
	pods := l.Client.CoreV1().Pods(namespace)
	_, err := pods.Create(t.Context(), pod("bad", container(l.images.vulnerable)), metav1.CreateOptions{})
	wantDenial(t, err, testWebhookName("v1beta1"))
	_, err = pods.Create(t.Context(), pod("good", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	d := l.decision(t, namespace, "bad")
	wantDecision(t, &d, "CREATE Pod", policy.VerdictDeny, l.images.vulnerable)
	d = l.decision(t, namespace, "good")
	wantDecision(t, &d, "CREATE Pod", policy.VerdictAllow, l.images.fixed)
}

// testDecisionLine looks for the one log line of a review, dry runs too, and for secrets in the log.
func (l *lab) testDecisionLine(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod("logged", container(l.images.vulnerable)),
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	wantDenial(t, err, operatorWebhook)
	lines, text := l.decisionLines(t, namespace)
	if len(lines) != 1 {
		t.Fatalf("%d lines of one review: %v", len(lines), lines)
	}
	for key, want := range map[string]any{
		"kind": "Pod", "namespace": namespace, "name": "logged", "operation": "CREATE", "dryRun": true, "policy": "2", "verdict": "deny",
	} {
		if got := lines[0][key]; got != want {
			t.Errorf("%s: got %v, want %v", key, got, want)
		}
	}
	for _, key := range []string{"uid", "images", "duration"} {
		if lines[0][key] == nil || lines[0][key] == "" {
			t.Errorf("the line has no %s: %v", key, lines[0])
		}
	}
	if strings.Contains(text, l.main.token) {
		t.Error("the log shows the token")
	}
}
