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
	appsv1 "k8s.io/api/apps/v1"
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

// TestRolls asks that pods are replaced when what they read only at their start changes, and left alone otherwise.
func TestRolls(t *testing.T) {
	t.Parallel()
	annotation := func(name string, v values) string {
		all := mustRender(t, v).objects(t)
		return into[appsv1.Deployment](t, only(t, all, "Deployment", name)).Spec.Template.Annotations["runecast.com/configuration"]
	}
	for name, changes := range map[string][]values{
		"runecast-nginx": {{"nginx": values{"ipv6": true}}, {"clusterDomain": "corp.local"}},
		"runecast-server": {
			{"server": values{"logLevel": "debug"}},
			{"feed": values{"url": "https://feeds.example/feed.index"}},
			{"policies": values{"definitions": []any{values{"id": "shop"}}}},
			{"registries": values{"hosts": values{"docker.io": "server = \"https://mirror.corp\"\n"}}},
		},
	} {
		before := annotation(name, nil)
		for _, change := range changes {
			if after := annotation(name, change); after == before || len(after) != 64 {
				t.Errorf("%s is not rolled by %v: %q, %q", name, change, before, after)
			}
		}
		if after := annotation(name, values{"certgen": values{"rotateRequest": "now"}, "webhook": values{"timeoutSeconds": 5}}); after != before {
			t.Errorf("%s is rolled by what does not concern it", name)
		}
	}
}
