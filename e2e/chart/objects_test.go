//go:build chart

package chart_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// testObjects has the API server look at every object of every mode: hooks and tests too.
func (l *lab) testObjects(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			all := mustRender(t, m.values).objects(t)
			if len(all) < 20 {
				t.Errorf("only %d objects are rendered", len(all))
			}
			for i := range all {
				if err := l.dryRun(t.Context(), all[i].Unstructured, all[i].text); err != nil {
					t.Errorf("%s: %v\n%s", &all[i], err, all[i].text)
				}
			}
		})
	}
}

// testRestricted makes a pod of every template of every mode, in a namespace in which restricted pods alone may run.
func (l *lab) testRestricted(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for _, template := range podTemplates(t, mustRender(t, m.values).objects(t)) {
				pod := template.pod(t)
				pod.Name = "" // of a template; and a test pod's own name says nothing here
				pod.GenerateName = "restricted-"
				if _, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}); err != nil {
					t.Errorf("a pod of %s is refused: %v", template.owner, err)
				}
				for i := range pod.Spec.Containers {
					c := &pod.Spec.Containers[i]
					if c.SecurityContext.ReadOnlyRootFilesystem == nil || !*c.SecurityContext.ReadOnlyRootFilesystem {
						t.Errorf("%s: the root of container %s can be written", template.owner, c.Name)
					}
					if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
						t.Errorf("%s: container %s has no bound of memory or no requests", template.owner, c.Name)
					}
				}
			}
		})
	}
}

// testStrictIsStrict shows that the API server of the test refuses what the tests above want refused.
func (l *lab) testStrictIsStrict(t *testing.T) {
	t.Parallel()
	deployment := only(t, mustRender(t, nil).objects(t), "Deployment", "runecast-server")
	for name, change := range map[string]struct{ from, to, want string }{
		"unknown field":  {"enableServiceLinks: false", "enableServiceLink: false", `unknown field "spec.template.spec.enableServiceLink"`},
		"key twice":      {"enableServiceLinks: false", "enableServiceLinks: false\n      enableServiceLinks: false", "already set"},
		"not restricted": {"allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "warning: would violate PodSecurity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(deployment.text, change.from, change.to, 1)
			if err := l.dryRun(t.Context(), deployment.Unstructured, text); err == nil || !strings.Contains(err.Error(), change.want) {
				t.Errorf("the API server answers %v, want %q", err, change.want)
			}
		})
	}
	t.Run("privileged pod", func(t *testing.T) {
		t.Parallel()
		pod := podTemplates(t, []object{*deployment})[0].pod(t)
		pod.Spec.Containers[0].SecurityContext = nil
		_, err := l.Client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), `violates PodSecurity "restricted:latest"`) {
			t.Errorf("the API server answers %v to a pod that is not restricted", err)
		}
	})
}

// podTemplate is where a pod comes from.
type podTemplate struct {
	owner   *object
	content map[string]any // of a pod: metadata and spec
}

// podTemplates finds all pods that objects make.
func podTemplates(t *testing.T, all []object) []podTemplate {
	t.Helper()
	var found []podTemplate
	for i := range all {
		path := []string{"spec", "template"}
		switch all[i].GetKind() {
		case "Pod":
			found = append(found, podTemplate{&all[i], all[i].Object})
			continue
		case "CronJob":
			path = []string{"spec", "jobTemplate", "spec", "template"}
		}
		content, is, err := unstructured.NestedMap(all[i].Object, path...)
		must(t, err)
		if is {
			found = append(found, podTemplate{&all[i], content})
		}
	}
	return found
}

func (p podTemplate) pod(t *testing.T) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	text, err := yaml.Marshal(p.content)
	must(t, err)
	must(t, yaml.UnmarshalStrict(text, pod))
	pod.TypeMeta, pod.Namespace = metav1.TypeMeta{}, namespace
	if pod.Name == "" {
		pod.Name = "pod"
	}
	return pod
}

// into reads an object as a type of Kubernetes' API.
func into[T any](t *testing.T, o *object) *T {
	t.Helper()
	typed := new(T)
	must(t, runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, typed, true))
	return typed
}
