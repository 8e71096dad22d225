//go:build certgen

package certgen_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
)

// testMissingRights takes one right away at a time: the error names the rule to add.
func (l *lab) testMissingRights(t *testing.T) {
	for name, m := range map[string]struct {
		cluster  bool
		resource string
		without  string // verb
		scope    plan.Scope
		want     string
	}{
		"read Secrets":           {false, "secrets", "get", reconcile, `resources ["secrets"], resourceNames ["runecast-nginx-tls"], verbs ["get"] in its Role of namespace`},
		"write Secrets":          {false, "secrets", "update", reconcile, `resources ["secrets"], resourceNames ["runecast-ca"], verbs ["update"] in its Role`},
		"read configurations":    {true, "validatingwebhookconfigurations", "get", reconcile, `apiGroups ["admissionregistration.k8s.io"], resources ["validatingwebhookconfigurations"]`},
		"patch configurations":   {true, "validatingwebhookconfigurations", "patch", patch, `verbs ["patch"] in its ClusterRole`},
		"list of EndpointSlices": {false, "endpointslices", "list", reconcile, `apiGroups ["discovery.k8s.io"], resources ["endpointslices"], verbs ["list"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, clock := l.newPlace(t), newFakeClock()
			installed(t, p, clock)
			p.ask(t, caSecret)
			p.clearBundle(t)
			take := func(rules []rbac.PolicyRule) {
				for i := range rules {
					if rules[i].Resources[0] != m.resource {
						continue
					}
					var left []string
					for _, verb := range rules[i].Verbs {
						if verb != m.without {
							left = append(left, verb)
						}
					}
					rules[i].Verbs = append(left, "deletecollection") //nolint:gocritic // appendAssign: another list on purpose, never empty
				}
			}
			if m.cluster {
				role, err := p.Client.RbacV1().ClusterRoles().Get(t.Context(), p.namespace+"-certgen", metav1.GetOptions{})
				must(t, err)
				take(role.Rules)
				_, err = p.Client.RbacV1().ClusterRoles().Update(t.Context(), role, metav1.UpdateOptions{})
				must(t, err)
			} else {
				role, err := p.Client.RbacV1().Roles(p.namespace).Get(t.Context(), "certgen", metav1.GetOptions{})
				must(t, err)
				take(role.Rules)
				_, err = p.Client.RbacV1().Roles(p.namespace).Update(t.Context(), role, metav1.UpdateOptions{})
				must(t, err)
			}
			eventually(t, 20*time.Second, func() error { // RBAC takes effect a moment later
				result, err := p.converge(t.Context(), t, run{scope: m.scope, clock: clock, timeout: 40 * time.Second})
				text := ""
				if err != nil {
					text = err.Error()
				} else if result.Pending != nil {
					text = result.Pending.Why // endpoints that cannot be looked at are waited for
				}
				if !strings.Contains(text, m.want) {
					p.clearAgain(t)
					return errors.New("it said " + text)
				}
				return nil
			})
		})
	}
}

// testReconcileCreatesNothing finds no Secrets and says which command makes them.
func (l *lab) testReconcileCreatesNothing(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: reconcile})
	if !errors.Is(err, plan.ErrMissing) || !strings.Contains(err.Error(), caSecret) || !strings.Contains(err.Error(), "certgen issue") {
		t.Errorf("got %v", err)
	}
	if _, err = p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), caSecret, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the CA Secret: %v", err)
	}
}

// testConcurrentRuns lets five runs of all kinds do the same at the same time: all end well and there is one result.
func (l *lab) testConcurrentRuns(t *testing.T) {
	p := l.newPlace(t)
	together := func(scopes ...plan.Scope) []job.Result {
		results := make([]job.Result, len(scopes))
		var running sync.WaitGroup
		for i, scope := range scopes {
			running.Go(func() {
				var err error
				results[i], err = p.converge(t.Context(), t, run{scope: scope, change: quick, timeout: 2 * time.Minute})
				if err != nil {
					t.Errorf("run %d: %v", i, err)
				}
			})
		}
		running.Wait()
		return results
	}
	p.configure(t)
	wrote := 0
	for _, r := range together(issue, issue, issue, issue, issue) {
		wrote += len(r.Did)
	}
	if wrote != 4 {
		t.Errorf("five installs at a time did %d writes, want one of each Secret and one of the configuration", wrote)
	}
	p.front.keepInSync(t)
	p.awaitCreate(t)
	load := p.startLoad(t, 4)
	p.ask(t, caSecret)
	p.ask(t, keySecret)
	together(reconcile, issue, reconcile, patch, reconcile)
	load.check(t)
	p.checkIdle(t, "after five runs at a time")
	ca, err := state.ReadCA(p.secret(t, caSecret))
	if err != nil || ca.Generation != 2 {
		t.Errorf("generation %d, %v; want one rotation", ca.Generation, err)
	}
}

// testEvents reads the Events of an install, and looks for key material in everything that was said.
func (l *lab) testEvents(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	list, err := p.Client.CoreV1().Events(p.namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	reasons := map[string]corev1.Event{}
	for _, e := range list.Items { //nolint:gocritic // rangeValCopy: a few Events of a test
		reasons[e.Reason] = e
		if strings.Contains(e.Message, string(p.secret(t, keySecret).Data["key"])) {
			t.Errorf("Event %s holds the review key", e.Name)
		}
	}
	for reason, secret := range map[string]string{plan.EventCAIssued: caSecret, plan.EventCertificateIssued: servingSecret, plan.EventKeyIssued: keySecret} {
		if e, ok := reasons[reason]; !ok || e.InvolvedObject.Name != secret || e.Type != corev1.EventTypeNormal {
			t.Errorf("Event %s: there %t, about %s, type %s", reason, ok, e.InvolvedObject.Name, e.Type)
		}
	}
	must(t, p.Client.CoreV1().Secrets(p.namespace).Delete(context.WithoutCancel(t.Context()), caSecret, metav1.DeleteOptions{}))
	if _, err = p.converge(t.Context(), t, run{scope: reconcile}); err == nil {
		t.Fatal("a run without a CA Secret succeeded")
	}
	list, err = p.Client.CoreV1().Events(p.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "reason=CertgenFailed"})
	if err != nil || len(list.Items) != 1 || list.Items[0].Type != corev1.EventTypeWarning {
		t.Errorf("Events of the failure: %d, %v", len(list.Items), err)
	}
}
