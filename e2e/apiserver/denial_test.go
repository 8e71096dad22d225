package apiserver_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/policy"
)

// denialSentence is what the product answers, to the letter (contract, section 1).
const denialSentence = "Image scan in Runecast Analyzer found policy violations: " +
	"(Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."

// firstLine is what a user reads of a denial by a webhook.
func firstLine(webhook string) string {
	return `admission webhook "` + webhook + `" denied the request: ` + denialSentence
}

// isDenial reports whether an error is the denial of a webhook, in every part that the contract fixes.
func isDenial(err error, webhook string) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return false
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line == firstLine(webhook) && status.ErrStatus.Code == http.StatusForbidden && status.ErrStatus.Reason == metav1.StatusReasonUnknown
}

// wantDenial fails the test unless err is the denial of a webhook; it gives the lines after the first.
func wantDenial(t *testing.T, err error, webhook string) string {
	t.Helper()
	if err == nil {
		t.Fatalf("admitted, want: %s", firstLine(webhook))
	}
	if !isDenial(err, webhook) {
		t.Fatalf("got:  %v\n      %#v\nwant: %s (code 403, no reason)", err, err, firstLine(webhook))
	}
	_, rest, _ := strings.Cut(err.Error(), "\n")
	return rest
}

func (l *lab) testDeniedPod(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod("web", container(l.images.vulnerable)), metav1.CreateOptions{})
	details := wantDenial(t, err, operatorWebhook)
	for _, detail := range []string{l.images.vulnerable.reference, l.images.vulnerable.digest, "libssl1.1", "1.1.1d-0+deb10u6", "CVE-2021-3711", "1.1.1d-0+deb10u7"} {
		if !strings.Contains(details, detail) {
			t.Errorf("the details do not name %s:\n%s", detail, details)
		}
	}
	if _, err := l.Client.CoreV1().Pods(namespace).Get(t.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the denied pod: got %v, want not found", err)
	}
	d := l.decision(t, namespace, "web")
	wantDecision(t, &d, "CREATE Pod", policy.VerdictDeny, l.images.vulnerable)
	if d.User != "admin" || d.PolicyID != "2" || d.Policy != "No critical or high severity vulnerabilities with available fix" {
		t.Errorf("decision: user %q, policy %q %q", d.User, d.PolicyID, d.Policy)
	}
	if !strings.HasPrefix(d.Message, denialSentence) {
		t.Errorf("decision: message %q", d.Message)
	}
	if len(d.Images) == 1 && len(d.Images[0].Violations) == 0 {
		t.Error("decision: the image has no violations")
	}
}

func (l *lab) testAllowedPod(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	created, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod("web", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	if created.Spec.Containers[0].Image != l.images.fixed.reference {
		t.Errorf("image %q of the created pod", created.Spec.Containers[0].Image)
	}
	d := l.decision(t, namespace, "web")
	wantDecision(t, &d, "CREATE Pod", policy.VerdictAllow, l.images.fixed)
}

func (l *lab) testKinds(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	for _, k := range reviewedKinds() {
		t.Run(k.kind, func(t *testing.T) {
			t.Parallel()
			name := strings.ToLower(k.kind)
			err := k.create(t.Context(), l.Client, namespace, name+"-vulnerable", container(l.images.vulnerable))
			wantDenial(t, err, operatorWebhook)
			must(t, k.create(t.Context(), l.Client, namespace, name+"-fixed", container(l.images.fixed)))
			denied := l.decision(t, namespace, name+"-vulnerable")
			wantDecision(t, &denied, "CREATE "+k.kind, policy.VerdictDeny, l.images.vulnerable)
			allowed := l.decision(t, namespace, name+"-fixed")
			wantDecision(t, &allowed, "CREATE "+k.kind, policy.VerdictAllow, l.images.fixed)
		})
	}
}

// testEveryPlaceOfAnImage hides the vulnerable image where a review of containers[0] alone would miss it.
func (l *lab) testEveryPlaceOfAnImage(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	for name, put := range map[string]func(spec *corev1.PodSpec, img testImage){
		"second-container": func(spec *corev1.PodSpec, img testImage) {
			spec.Containers = append(spec.Containers, corev1.Container{Name: "second", Image: img.reference})
		},
		"init-container": func(spec *corev1.PodSpec, img testImage) {
			spec.InitContainers = []corev1.Container{{Name: "init", Image: img.reference}}
		},
		"sidecar": func(spec *corev1.PodSpec, img testImage) {
			always := corev1.ContainerRestartPolicyAlways
			spec.InitContainers = []corev1.Container{{Name: "sidecar", Image: img.reference, RestartPolicy: &always}}
		},
		"image-volume": func(spec *corev1.PodSpec, img testImage) {
			spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: img.reference}}}}
			spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad, good := container(l.images.fixed), container(l.images.fixed)
			put(bad, l.images.vulnerable)
			put(good, l.images.fixed)
			_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod(name+"-bad", bad), metav1.CreateOptions{})
			wantDenial(t, err, operatorWebhook)
			created, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod(name+"-good", good), metav1.CreateOptions{})
			must(t, err)
			if name == "image-volume" && (len(created.Spec.Volumes) == 0 || created.Spec.Volumes[0].Image == nil) {
				t.Error("the API server dropped the image volume: the test proves nothing")
			}
			d := l.decision(t, namespace, name+"-bad")
			wantDecision(t, &d, "CREATE Pod", policy.VerdictDeny, l.images.fixed, l.images.vulnerable)
			d = l.decision(t, namespace, name+"-good")
			wantDecision(t, &d, "CREATE Pod", policy.VerdictAllow, l.images.fixed)
		})
	}
}
