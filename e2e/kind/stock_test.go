//go:build e2e

package kind_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

const shop = "shop" // the guarded namespace of most tests

// TestStockCluster leads one installation on a cluster with nothing special through its life. The parts build upon each other.
func TestStockCluster(t *testing.T) {
	t.Parallel() // beside the other cluster: both wait for kubelets most of the time
	l := newLab(t, "gate-stock", func(*v1alpha4.Cluster) {})
	parts := []struct {
		name string
		run  func(*testing.T)
	}{
		{"values that cannot be", l.testValues},
		{"install", l.testInstall},
		{"denied and allowed", l.testJudgement},
		{"pages", l.testPages},
		{"webhook commands", l.testWebhookCommands},
		{"rights", l.testRights},
		{"renewal and rotation", l.testRotation},
		{"upgrades and rollback", l.testUpgrades},
		{"restarts", l.testRestarts},
		{"node restart", l.testNodeRestart},
		{"uninstall", l.testUninstall},
		{"reinstall", l.testReinstall},
	}
	for _, part := range parts {
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { l.t = t; part.run(t) }) {
			t.Fatalf("%q failed; what comes after it builds upon it", part.name)
		}
		t.Logf("%s: %s", part.name, time.Since(began).Round(time.Second))
	}
}

func (l *lab) testInstall(t *testing.T) {
	release, err := l.install(t.Context(), releaseNamespace, l.values())
	must(t, err)
	t.Logf("NOTES.txt:\n%s", release.Info.Notes)
	l.namespace(t, shop, nil)
	l.awaitGate()
	must(t, l.helmTest())
}

// testJudgement is the product in four pods.
func (l *lab) testJudgement(t *testing.T) {
	must(t, denied(l.create(t.Context(), shop, "web-1", l.registry.vulnerable), chartWebhook))
	must(t, l.create(t.Context(), shop, "web-2", l.registry.fixed))
	l.awaitPhase(shop, "web-2", corev1.PodRunning)
	for _, namespace := range []string{"kube-system", releaseNamespace, "default"} {
		// Also where somebody labels them, the first two are never touched.
		if namespace != "default" {
			l.kubectl("label", "namespace", namespace, policyLabel+"=2")
		}
		must(t, l.create(t.Context(), namespace, "bystander", l.registry.vulnerable))
		must(t, l.client.CoreV1().Pods(namespace).Delete(t.Context(), "bystander", metav1.DeleteOptions{}))
	}
	out, errs, err := l.try("kubectl", "run", "web-3", "--namespace="+shop, "--image="+l.registry.vulnerable)
	t.Logf("kubectl run: %v\n%s%s", err, out, errs)
	if err == nil {
		t.Error("kubectl could run a vulnerable image")
	}
}

// awaitPhase waits until a pod is in a phase.
func (l *lab) awaitPhase(namespace, name string, phase corev1.PodPhase) {
	l.t.Helper()
	l.eventually(name+" "+string(phase), 2*time.Minute, func(ctx context.Context) error {
		return phaseIs(ctx, l, namespace, name, phase)
	})
}
