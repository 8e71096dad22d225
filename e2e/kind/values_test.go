//go:build e2e

package kind_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testValues installs with values that cannot be: each is refused, and says what is wrong, before anything is made.
func (l *lab) testValues(t *testing.T) {
	for name, c := range map[string]struct {
		values values
		want   string
	}{
		"unknown key":       {values{"polcy": values{"id": "2"}}, "polcy"},
		"unknown inner key": {values{"webhook": values{"failurPolicy": "Fail"}}, "failurPolicy"},
		"unknown policy":    {values{"policy": values{"id": "77"}}, `there is no policy with the id "77"`},
		"bad selector":      {values{"webhook": values{"namespaceExpressions": []any{values{"key": "team", "operator": "In"}}}}, "operator In on team needs values"},
		"unknown operator":  {values{"webhook": values{"namespaceExpressions": []any{values{"key": "team", "operator": "Equals"}}}}, "operator"},
		"time":              {values{"webhook": values{"timeoutSeconds": 31}}, "timeoutSeconds"},
		"several replicas":  {values{"server": values{"replicas": 2}}, "several server pods need PostgreSQL"},
		"no Secret named":   {values{"tls": values{"source": "existingSecret"}}, "tls.existingSecret"},
	} {
		_, err := l.install(t.Context(), "refused", l.values(c.values))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
			continue
		}
		t.Logf("%s: %v", name, err)
	}
	if _, err := l.client.CoreV1().Namespaces().Get(t.Context(), "refused", metav1.GetOptions{}); err == nil {
		t.Error("a refused installation left a namespace behind")
	}
}
