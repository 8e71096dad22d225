//go:build chart

package chart_test

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/runecast/runecast/certgen/app"
)

// TestCertgenTakesItsFlags gives certgen the arguments of each Job of each mode, and a cluster that is not there: it must be the cluster
// that it complains of.
func TestCertgenTakesItsFlags(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			var commands []string
			for _, template := range podTemplates(t, mustRender(t, m.values).objects(t)) {
				container := &template.pod(t).Spec.Containers[0]
				if container.Name != "certgen" {
					continue
				}
				commands = append(commands, container.Args[0])
				var out, errOut bytes.Buffer
				code := app.Main(t.Context(), append(slices.Clone(container.Args), "--kubeconfig="+filepath.Join(t.TempDir(), "none")), &out, &errOut)
				if code != app.ExitError || !strings.Contains(errOut.String(), "error: reach the API server: ") {
					t.Errorf("certgen %q: code %d: %s", container.Args, code, &errOut)
				}
			}
			slices.Sort(commands)
			if want := []string{"issue", "patch", "reconcile", "remove"}; !slices.Equal(commands, want) {
				t.Errorf("certgen is run as %q, want %q", commands, want)
			}
		})
	}
}
