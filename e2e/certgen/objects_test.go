//go:build certgen

package certgen_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// update writes a Secret as a user does who changes it.
func (p *place) update(t *testing.T, s *corev1.Secret) {
	t.Helper()
	_, err := p.Client.CoreV1().Secrets(p.namespace).Update(t.Context(), s, metav1.UpdateOptions{})
	must(t, err)
}

// clearBundle takes the caBundle out of the chart's configuration.
func (p *place) clearBundle(t *testing.T) {
	t.Helper()
	_, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Patch(t.Context(), p.managed, types.JSONPatchType,
		[]byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"}]`), metav1.PatchOptions{})
	must(t, err)
}

// clearAgain takes the caBundle away where a run has put it back meanwhile.
func (p *place) clearAgain(t *testing.T) {
	t.Helper()
	if len(p.clientConfig(t, p.managed).CABundle) > 0 {
		p.clearBundle(t)
	}
}
