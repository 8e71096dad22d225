//go:build chart

package chart_test

import (
	"maps"
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// TestLint is helm lint --strict: warnings count.
func TestLint(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			linter := lint.AllWithKubeVersion(chartDir, m.values, namespace, nil)
			for _, message := range linter.Messages {
				if message.Severity >= support.WarningSev {
					t.Errorf("helm lint --strict: %v", message)
				}
			}
		})
	}
}

// TestRenderTwice asks for the same bytes each time: whatever changes from one rendering to the next would roll pods at every upgrade.
func TestRenderTwice(t *testing.T) {
	t.Parallel()
	for _, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			first := mustRender(t, m.values)
			first.objects(t)
			if second := mustRender(t, m.values); !maps.Equal(first, second) {
				for file := range first {
					if first[file] != second[file] {
						t.Errorf("%s is not the same the second time:\n%s\n---\n%s", file, first[file], second[file])
					}
				}
			}
		})
	}
}
