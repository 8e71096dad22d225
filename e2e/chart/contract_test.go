//go:build chart

package chart_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	generated "github.com/runecast/runecast/pkg/webhook"
)

const nginxLabel = "app.kubernetes.io/name"

// TestOperatorsCommands asks for what the commands by which operators find Service, port and certificate rely on: they take the first
// item that is labelled nginx, whatever it is.
func TestOperatorsCommands(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r, err := render(m.values, "some-release", namespace)
			must(t, err)
			all := r.objects(t)
			var labelled []string
			for i := range all {
				if all[i].GetLabels()[nginxLabel] == "nginx" {
					labelled = append(labelled, all[i].GetKind()+"/"+all[i].GetName())
				}
			}
			slices.Sort(labelled)
			if want := []string{"Deployment/runecast-nginx", "Service/runecast-nginx"}; !slices.Equal(labelled, want) {
				t.Errorf("labelled nginx are %q, want %q", labelled, want)
			}
			for _, template := range podTemplates(t, all) {
				if is := template.pod(t).Labels[nginxLabel] == "nginx"; is != (template.owner.GetName() == "runecast-nginx") {
					t.Errorf("%s: its pods are labelled nginx: %v", template.owner, is)
				}
			}
			checkService(t, into[corev1.Service](t, only(t, all, "Service", "runecast-nginx")))
			checkSecretVolume(t, &into[appsv1.Deployment](t, only(t, all, "Deployment", "runecast-nginx")).Spec.Template.Spec)
		})
	}
}

func checkService(t *testing.T, s *corev1.Service) {
	t.Helper()
	if len(s.Spec.Ports) != 1 || s.Spec.Ports[0].TargetPort.StrVal != "https" {
		t.Errorf("the ports of the Service are %+v, want one, to https", s.Spec.Ports)
	}
	if s.Spec.Type == corev1.ServiceTypeClusterIP && s.Spec.Ports[0].Port != 9080 {
		t.Errorf("the first port is %d", s.Spec.Ports[0].Port)
	}
}

// checkSecretVolume wants a plain Secret volume called nginx-secret, mounted whole: a subPath would never see a renewal.
func checkSecretVolume(t *testing.T, pod *corev1.PodSpec) {
	t.Helper()
	at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "nginx-secret" })
	if at < 0 || pod.Volumes[at].Secret == nil || pod.Volumes[at].Secret.SecretName == "" || pod.Volumes[at].Secret.Items != nil {
		t.Errorf("there is no plain Secret volume nginx-secret: %+v", pod.Volumes)
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		if mount.SubPath != "" || mount.SubPathExpr != "" {
			t.Errorf("%s is mounted by a subPath", mount.Name)
		}
	}
}

// TestNeverGuarded asks each webhook of each mode to leave kube-system and the release's own namespace alone, which could not start
// otherwise after all nodes were down.
func TestNeverGuarded(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		for _, in := range []string{namespace, "security"} {
			t.Run(m.name+"/"+in, func(t *testing.T) {
				t.Parallel()
				r, err := render(m.values, "gate", in)
				must(t, err)
				name := "runecast-admission"
				if in != namespace {
					name = "runecast-" + in + "-admission"
				}
				configuration := into[admissionregistration.ValidatingWebhookConfiguration](t, only(t, r.objects(t), "ValidatingWebhookConfiguration", name))
				for i := range configuration.Webhooks {
					checkWebhook(t, &configuration.Webhooks[i], in)
				}
			})
		}
	}
}

func checkWebhook(t *testing.T, w *admissionregistration.ValidatingWebhook, in string) {
	t.Helper()
	excluded := slices.ContainsFunc(w.NamespaceSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
		return r.Key == corev1.LabelMetadataName && r.Operator == metav1.LabelSelectorOpNotIn && slices.Equal(r.Values, []string{"kube-system", in})
	})
	if !excluded {
		t.Errorf("%s: kube-system and %s are not excluded: %+v", w.Name, in, w.NamespaceSelector)
	}
	if w.ClientConfig.CABundle != nil || w.ClientConfig.Service.Path != nil || w.ClientConfig.Service.Namespace != in {
		t.Errorf("%s: clientConfig is %+v, want only a Service of %s: the rest is certgen's", w.Name, w.ClientConfig, in)
	}
	if got, want := strings.Join(w.AdmissionReviewVersions, ","), "v1,v1beta1"; got != want || *w.SideEffects != admissionregistration.SideEffectClassNone {
		t.Errorf("%s: versions %s, side effects %s", w.Name, got, *w.SideEffects)
	}
	want := []string{"pods", "pods/ephemeralcontainers", "daemonsets", "deployments", "replicasets", "statefulsets", "replicationcontrollers", "cronjobs", "jobs"}
	if len(w.Rules) != 1 || !slices.Equal(w.Rules[0].Resources, want) || *w.Rules[0].Scope != admissionregistration.NamespacedScope {
		t.Errorf("%s: the rules are %+v", w.Name, w.Rules)
	}
}

// TestSameAsGenerated compares the chart's webhooks with those that runecast webhook generate writes for the same choices: in every field but what certgen puts in.
func TestSameAsGenerated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values values
		spec   generated.Spec
	}{
		"default":        {nil, generated.Spec{Guards: []generated.Guard{{Policy: "2"}}}},
		"all namespaces": {values{"webhook": values{"allNamespaces": true, "failurePolicy": "Ignore", "timeoutSeconds": 5}}, generated.Spec{Guards: []generated.Guard{{Policy: "2"}}, AllNamespaces: true, FailurePolicy: "Ignore", TimeoutSeconds: 5}},
		"several": {values{"webhooks": []any{
			values{"name": "one.example.com", "policyId": "1"}, values{"name": "shop.example.com", "policyId": "3", "namespaceLabels": values{"team": "shop"}},
		}}, generated.Spec{Guards: []generated.Guard{{Policy: "1", Webhook: "one.example.com"}, {Policy: "3", Webhook: "shop.example.com", Labels: []generated.Label{{Key: "team", Value: "shop"}}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chart := into[admissionregistration.ValidatingWebhookConfiguration](t, only(t, mustRender(t, c.values).objects(t), "ValidatingWebhookConfiguration", "runecast-admission"))
			c.spec.Service, c.spec.CAElsewhere = generated.Service{Namespace: namespace, Name: "runecast-nginx"}, true
			own, _, err := generated.Generate(c.spec, time.Now())
			must(t, err)
			own.Name, own.Labels = chart.Name, chart.Labels // whose they are
			for i := range own.Webhooks {
				own.Webhooks[i].ClientConfig.Service.Path = nil
			}
			diff, err := generated.Diff(chart, own)
			must(t, err)
			if diff != "" {
				t.Errorf("the chart's and the generated webhooks differ:\n%s", diff)
			}
		})
	}
}
