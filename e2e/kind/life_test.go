//go:build e2e

package kind_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// testUpgrades upgrades five times and rolls back, while pods are created.
func (l *lab) testUpgrades(t *testing.T) {
	before := l.bundle(t, chartConfig)
	first := l.revision(t)
	o := l.startLoad(t, shop)
	for i, change := range []values{
		{"webhook": values{"timeoutSeconds": 15}},
		{"nginx": values{"podAnnotations": values{"e2e": "two"}}},
		{"server": values{"logLevel": "debug"}},
		{"webhook": values{"namespaceLabels": values{policyLabel: "2"}}, "commonLabels": values{"e2e": "four"}},
		{"server": values{"podAnnotations": values{"e2e": "five"}}, "nginx": values{"replicas": 3}},
	} {
		must(t, l.upgrade(t.Context(), l.values(change)))
		if got := l.bundle(t, chartConfig); got != before {
			t.Errorf("upgrade %d changed the bundle:\n%s\nto\n%s", i+1, before, got)
		}
	}
	must(t, l.rollback(first))
	if got := l.bundle(t, chartConfig); got != before {
		t.Errorf("the rollback changed the bundle:\n%s\nto\n%s", before, got)
	}
	o.end(t, "five upgrades and a rollback")
}

func (l *lab) revision(t *testing.T) int {
	t.Helper()
	r, err := l.helm(releaseNamespace).Releases.Last(releaseName)
	must(t, err)
	return r.Version
}

// recovery is how long the gate may be without an answer when its only server is killed.
const recovery = 5 * time.Second

// testRestarts restarts nginx and the server in turn and kills the server, while pods are created.
func (l *lab) testRestarts(t *testing.T) {
	o := l.startLoad(t, shop)
	for _, deployment := range []string{"runecast-nginx", "runecast-server"} {
		l.kubectl("--namespace="+releaseNamespace, "rollout", "restart", "deployment/"+deployment)
		l.kubectl("--namespace="+releaseNamespace, "rollout", "status", "deployment/"+deployment, "--timeout=4m")
	}
	o.end(t, "rolling restart of nginx and server")

	o = l.startLoad(t, shop)
	killed := time.Now()
	l.kill(t, "app.kubernetes.io/component=server")
	recovered := 0
	l.eventually("a judgement after the server was killed", time.Minute, func(ctx context.Context) error {
		pods, err := l.client.CoreV1().Pods(releaseNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=server"})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			statuses := pods.Items[i].Status.ContainerStatuses
			for k := range statuses {
				if statuses[k].Ready && pods.Items[i].CreationTimestamp.After(killed.Add(-time.Second)) {
					recovered++
				}
			}
		}
		if recovered == 0 {
			return fmt.Errorf("none of %d server pods is ready", len(pods.Items))
		}
		return nil
	})
	t.Logf("a new server is ready %s after the old one was killed", time.Since(killed).Round(100*time.Millisecond))
	o.end(t, "a killed server")
	if o.longest > recovery {
		t.Errorf("for %s nothing was judged, want %s at most", o.longest.Round(100*time.Millisecond), recovery)
	}
}

// kill deletes pods with no grace.
func (l *lab) kill(t *testing.T, selector string) {
	t.Helper()
	must(t, l.client.CoreV1().Pods(releaseNamespace).DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}, metav1.ListOptions{LabelSelector: selector}))
}

// testNodeRestart deletes all pods of the release and restarts the node: with failurePolicy Fail the gate has to come up with no hand.
func (l *lab) testNodeRestart(t *testing.T) {
	l.kill(t, "")
	l.run("docker", "restart", l.node)
	began := time.Now()
	l.eventually("the API server after the restart", 3*time.Minute, func(ctx context.Context) error {
		_, err := l.client.CoreV1().Namespaces().Get(ctx, shop, metav1.GetOptions{})
		return err
	})
	l.awaitGate()
	t.Logf("the gate judges %s after the node's restart", time.Since(began).Round(time.Second))
}

// testUninstall uninstalls with failurePolicy Fail: pods can be created at once, and nothing is left.
func (l *lab) testUninstall(t *testing.T) {
	must(t, l.uninstall(releaseNamespace))
	must(t, l.create(t.Context(), shop, "after", l.registry.vulnerable))
	l.eventually("everything of the release to go", 4*time.Minute, func(context.Context) error {
		if left := l.left(); left != "" { //nolint:contextcheck // kubectl goes by the test's
			return fmt.Errorf("left behind:\n%s", left)
		}
		return nil
	})
}

// left are the objects of the release that are there.
func (l *lab) left() string {
	l.t.Helper()
	kinds := strings.Fields(l.kubectl("api-resources", "--verbs=list,delete", "-o", "name"))
	var wanted []string
	for _, kind := range kinds {
		if kind != "events" && kind != "events.events.k8s.io" && kind != "persistentvolumes" {
			wanted = append(wanted, kind)
		}
	}
	var lines []string
	for line := range strings.Lines(l.kubectl("get", strings.Join(wanted, ","), "--all-namespaces", "--ignore-not-found", "-o", "name", "--show-kind")) {
		if strings.Contains(line, "runecast") && strings.TrimSpace(line) != "namespace/"+releaseNamespace {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// testReinstall installs again where it was.
func (l *lab) testReinstall(t *testing.T) {
	_, err := l.install(t.Context(), releaseNamespace, l.values())
	must(t, err)
	l.awaitGate()
	must(t, l.helmTest())
}
