package apiserver_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/runecast/runecast/pkg/policy"
)

// putUnderPolicy labels a namespace whose workloads exist already, and waits until the API server acts on it.
func (l *lab) putUnderPolicy(t *testing.T, namespace string) {
	t.Helper()
	patch := []byte(`{"metadata":{"labels":{"` + policyLabel + `":"2"}}}`)
	_, err := l.Client.CoreV1().Namespaces().Patch(t.Context(), namespace, types.MergePatchType, patch, metav1.PatchOptions{})
	must(t, err)
	must(t, l.awaitReviewed(t.Context(), namespace))
}

// testUpdatePod changes a pod whose vulnerable image is older than the policy. Nothing but a new vulnerable image is refused, or the
// pod could never be deleted.
func (l *lab) testUpdatePod(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, nil)
	pods := l.Client.CoreV1().Pods(namespace)
	old := pod("old", container(l.images.vulnerable))
	old.Finalizers = []string{"runecast.com/test"}
	_, err := pods.Create(t.Context(), old, metav1.CreateOptions{})
	must(t, err)
	_, err = pods.Create(t.Context(), pod("good", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	l.putUnderPolicy(t, namespace)
	change := func(name string, edit func(*corev1.Pod)) error {
		current, refusal := pods.Get(t.Context(), name, metav1.GetOptions{})
		must(t, refusal)
		edit(current)
		_, refusal = pods.Update(t.Context(), current, metav1.UpdateOptions{})
		return refusal
	}

	must(t, change("old", func(p *corev1.Pod) { p.Labels = map[string]string{"team": "web"} }))
	d := l.decisionOf(t, namespace, "old", "UPDATE")
	wantUnchanged(t, &d, "Pod")

	wantDenial(t, change("good", func(p *corev1.Pod) { p.Spec.Containers[0].Image = l.images.vulnerable.reference }), operatorWebhook)
	d = l.decisionOf(t, namespace, "good", "UPDATE")
	wantDecision(t, &d, "UPDATE Pod", policy.VerdictDeny, l.images.vulnerable)

	must(t, change("old", func(p *corev1.Pod) { p.Spec.Containers[0].Image = l.images.fixed.reference }))
	wantDenial(t, change("old", func(p *corev1.Pod) { p.Spec.Containers[0].Image = l.images.vulnerable.reference }), operatorWebhook)

	must(t, pods.Delete(t.Context(), "old", metav1.DeleteOptions{}))
	deleting, err := pods.Get(t.Context(), "old", metav1.GetOptions{})
	must(t, err)
	if deleting.DeletionTimestamp == nil {
		t.Fatal("the finalizer does not hold the pod: the test proves nothing")
	}
	// An object that is being deleted is no way in either.
	wantDenial(t, change("old", func(p *corev1.Pod) { p.Spec.Containers[0].Image = l.images.vulnerable.reference }), operatorWebhook)
	must(t, change("old", func(p *corev1.Pod) { p.Finalizers = nil }))
	if _, err := pods.Get(t.Context(), "old", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the pod without finalizers: got %v, want not found", err)
	}
}

// testUpdateWorkload does the same with what has replicas. The Deployment controller scales old ReplicaSets by an update of the whole
// object: were that refused, the rollout of the fixed image would never end.
func (l *lab) testUpdateWorkload(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, nil)
	apps := l.Client.AppsV1()
	_, err := apps.Deployments(namespace).Create(t.Context(), deployment("web", container(l.images.vulnerable)), metav1.CreateOptions{})
	must(t, err)
	_, err = apps.ReplicaSets(namespace).Create(t.Context(), replicaSet("web-1", container(l.images.vulnerable)), metav1.CreateOptions{})
	must(t, err)
	l.putUnderPolicy(t, namespace)
	change := func(edit func(*appsv1.Deployment)) error {
		current, refusal := apps.Deployments(namespace).Get(t.Context(), "web", metav1.GetOptions{})
		must(t, refusal)
		edit(current)
		_, refusal = apps.Deployments(namespace).Update(t.Context(), current, metav1.UpdateOptions{})
		return refusal
	}

	must(t, change(func(d *appsv1.Deployment) { d.Labels = map[string]string{"team": "web"} }))
	d := l.decisionOf(t, namespace, "web", "UPDATE")
	wantUnchanged(t, &d, "Deployment")
	must(t, change(func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(3)) }))
	scale, err := apps.Deployments(namespace).GetScale(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	scale.Spec.Replicas = 5
	_, err = apps.Deployments(namespace).UpdateScale(t.Context(), "web", scale, metav1.UpdateOptions{})
	must(t, err)

	child, err := apps.ReplicaSets(namespace).Get(t.Context(), "web-1", metav1.GetOptions{})
	must(t, err)
	child.Spec.Replicas = new(int32(0))
	child.Annotations = map[string]string{"deployment.kubernetes.io/desired-replicas": "0"}
	_, err = apps.ReplicaSets(namespace).Update(t.Context(), child, metav1.UpdateOptions{})
	must(t, err)
	d = l.decisionOf(t, namespace, "web-1", "UPDATE")
	wantUnchanged(t, &d, "ReplicaSet")

	must(t, change(func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = l.images.fixed.reference }))
	wantDenial(t, change(func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Image = l.images.vulnerable.reference
	}), operatorWebhook)
	now, err := apps.Deployments(namespace).Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if image := now.Spec.Template.Spec.Containers[0].Image; image != l.images.fixed.reference || *now.Spec.Replicas != 5 {
		t.Errorf("in the end: image %s, %d replicas", image, *now.Spec.Replicas)
	}
}

// testDelete deletes what is vulnerable, under the operator's configuration, which asks for no review of that, and under one that does.
func (l *lab) testDelete(t *testing.T) {
	t.Parallel()
	for name, label := range map[string]map[string]string{"not-reviewed": {policyLabel: "2"}, "reviewed": {testLabel: "delete"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace := l.namespace(t, label)
			pods := l.Client.CoreV1().Pods(namespace)
			_, err := pods.Create(t.Context(), pod("web", container(l.images.fixed)), metav1.CreateOptions{})
			must(t, err)
			must(t, pods.Delete(t.Context(), "web", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := pods.Get(ctx, "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("the deleted pod: got %v, want not found", err)
			}
			if name == "reviewed" {
				d := l.decisionOf(t, namespace, "web", "DELETE")
				if !d.Allowed || len(d.Images) != 0 {
					t.Errorf("decision: %+v", d)
				}
			}
		})
	}
}
