//go:build chart

package chart_test

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
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

// TestPackage asks that .helmignore leaves every template in the chart, and what is of no use in a cluster out.
func TestPackage(t *testing.T) {
	t.Parallel()
	c, err := loader.Load(chartDir)
	must(t, err)
	packed := map[string]bool{}
	for _, f := range slices.Concat(c.Raw, c.Templates, c.Files) {
		packed[f.Name] = true
	}
	must(t, fs.WalkDir(os.DirFS(chartDir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		unwanted := strings.HasPrefix(path, "ci/") || strings.HasPrefix(path, "tests/") || path == "README.md.gotmpl"
		if packed[path] == unwanted {
			t.Errorf("%s is in the packed chart: %v", path, packed[path])
		}
		return nil
	}))
}
