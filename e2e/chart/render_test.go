//go:build chart

package chart_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "../../charts/runecast"
	namespace = "runecast"
	notesFile = "NOTES.txt"
)

// values is a tree of the chart's values.
type values = map[string]any

// mode is one file of the chart's ci directory.
type mode struct {
	name   string
	values values
}

// modes reads the ci directory.
func modes(t *testing.T) []mode {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	must(t, err)
	if len(files) == 0 {
		t.Fatal("the chart has no ci/*-values.yaml")
	}
	all := make([]mode, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		m := mode{name: strings.TrimSuffix(filepath.Base(file), "-values.yaml")}
		if err := yaml.UnmarshalStrict(text, &m.values); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, m)
	}
	return all
}

// object is one rendered object, as text and as what the text says.
type object struct {
	*unstructured.Unstructured
	template string
	text     string
}

// String names the object for messages.
func (o *object) String() string { return o.template + ": " + o.GetKind() + " " + o.GetName() }

// rendering is what Helm makes of the chart: the files of templates by their names, with hooks and notes.
type rendering map[string]string

// render renders the chart as helm template does, schema first.
func render(v values, release, namespace string) (rendering, error) {
	c, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	complete, err := chartutil.ToRenderValues(c, v, options, chartutil.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(c, complete)
}

// mustRender renders the chart in its usual namespace.
func mustRender(t *testing.T, v values) rendering {
	t.Helper()
	r, err := render(v, "gate", namespace)
	must(t, err)
	return r
}

// objects reads the rendered files, strictly.
func (r rendering) objects(t *testing.T) []object {
	t.Helper()
	var all []object
	for _, file := range slices.Sorted(maps.Keys(r)) {
		if filepath.Base(file) == notesFile {
			continue
		}
		documents := releaseutil.SplitManifests(r[file])
		for _, key := range slices.Sorted(maps.Keys(documents)) {
			content := map[string]any{}
			if err := yaml.UnmarshalStrict([]byte(documents[key]), &content); err != nil {
				t.Fatalf("%s is no valid YAML: %v\n%s", file, err, documents[key])
			}
			if len(content) == 0 {
				continue // a condition that was not met leaves blanks
			}
			all = append(all, object{&unstructured.Unstructured{Object: content}, strings.TrimPrefix(file, "runecast/templates/"), documents[key]})
		}
	}
	return all
}

// only gives the one object of a kind and name.
func only(t *testing.T, all []object, kind, name string) *object {
	t.Helper()
	for i := range all {
		if all[i].GetKind() == kind && all[i].GetName() == name {
			return &all[i]
		}
	}
	t.Fatalf("no %s %s is rendered", kind, name)
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
