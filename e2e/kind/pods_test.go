//go:build e2e

package kind_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	policyLabel  = "runecast-admission-policy"
	chartWebhook = "deny-fixed-critical-and-medium.runecast.com"

	// denialSentence is what the product answers, to the letter (contract, section 1).
	denialSentence = "Image scan in Runecast Analyzer found policy violations: " +
		"(Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."
)

// errAdmitted stands for no error where one is wanted.
var errAdmitted = errors.New("admitted")

// namespace makes a namespace, labelled for policy 2 unless labels say otherwise.
func (l *lab) namespace(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	if labels == nil {
		labels = map[string]string{policyLabel: "2"}
	}
	_, err := l.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	must(t, err)
	l.eventually("service account of "+name, time.Minute, func(ctx context.Context) error {
		_, err := l.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func pod(name, image string) *corev1.Pod {
	no, now := false, int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{{Name: "web", Image: image}},
			AutomountServiceAccountToken:  &no,
			TerminationGracePeriodSeconds: &now,
		},
	}
}

// create creates a pod.
func (l *lab) create(ctx context.Context, namespace, name, image string) error {
	_, err := l.client.CoreV1().Pods(namespace).Create(ctx, pod(name, image), metav1.CreateOptions{})
	return err
}

// dryRun asks whether a pod would be created.
func (l *lab) dryRun(ctx context.Context, namespace, image string) error {
	_, err := l.client.CoreV1().Pods(namespace).Create(ctx, pod("asked", image), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// denied gives nil when an error is the denial of a webhook in every part that the contract fixes.
func denied(err error, webhook string) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	line, _, _ := strings.Cut(fmt.Sprint(err), "\n")
	want := `admission webhook "` + webhook + `" denied the request: ` + denialSentence
	if !ok || line != want || status.ErrStatus.Code != http.StatusForbidden || status.ErrStatus.Reason != metav1.StatusReasonUnknown {
		return fmt.Errorf("got:  %w\nwant: %s (code 403, no reason)", cmp.Or(err, errAdmitted), want)
	}
	return nil
}

// awaitGate waits until the gate judges pods of the shop.
func (l *lab) awaitGate() {
	l.t.Helper()
	l.eventually("a judgement in "+shop, 2*time.Minute, func(ctx context.Context) error {
		if err := l.dryRun(ctx, shop, l.registry.fixed); err != nil {
			return err
		}
		return denied(l.dryRun(ctx, shop, l.registry.vulnerable), chartWebhook)
	})
}

func phaseIs(ctx context.Context, l *lab, namespace, name string, want corev1.PodPhase) error {
	p, err := l.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if p.Status.Phase != want {
		return fmt.Errorf("pod %s is %s: %v", name, p.Status.Phase, p.Status.ContainerStatuses)
	}
	return nil
}
