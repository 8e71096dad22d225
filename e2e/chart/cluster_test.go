//go:build chart

package chart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/e2e/controlplane"
)

// foreign are the definitions of resources that the chart makes but no API server knows by itself, as their modules have them. The
// version of cert-manager is that of go.mod.
var foreign = []struct {
	module string
	files  []string
}{
	{"github.com/cert-manager/cert-manager", []string{
		"deploy/crds/cert-manager.io_certificates.yaml", "deploy/crds/cert-manager.io_issuers.yaml",
	}},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", []string{
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
	}},
}

// lab is an API server to which nothing is ever written but namespaces and definitions of resources.
type lab struct {
	*controlplane.Cluster
	mapper meta.RESTMapper
}

// TestAPIServer starts one API server for every test that needs one.
func TestAPIServer(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	t.Run("Objects", l.testObjects)
	t.Run("Restricted", l.testRestricted)
	t.Run("StrictIsStrict", l.testStrictIsStrict)
}

func startLab(t *testing.T) *lab {
	t.Helper()
	found := controlplane.Find(t)
	dir := t.TempDir()
	ps := &controlplane.Processes{}
	t.Cleanup(ps.KillAll)
	controlplane.StopOnSignal(t, ps, dir)
	cluster, err := controlplane.Start(ps, dir, found, controlplane.Options{})
	must(t, err)
	definitions := foreignDefinitions(t) // while the API server starts
	must(t, cluster.Await(t.Context()))
	l := &lab{Cluster: cluster}
	l.define(t, definitions)
	l.namespace(t, namespace)
	return l
}

// namespace makes a namespace in which only restricted pods may run, and in which templates of others give warnings.
func (l *lab) namespace(t *testing.T, name string) {
	t.Helper()
	labels := map[string]string{}
	for _, how := range []string{"enforce", "warn"} {
		labels["pod-security.kubernetes.io/"+how] = "restricted"
		labels["pod-security.kubernetes.io/"+how+"-version"] = "latest"
	}
	_, err := l.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
	must(t, err)
}

// foreignDefinitions reads the definitions out of the module cache, into which the go command puts what is missing.
func foreignDefinitions(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, f := range foreign {
		for _, file := range f.files {
			text, err := os.ReadFile(filepath.Join(moduleDir(t, f.module), file))
			must(t, err)
			definition := &unstructured.Unstructured{}
			must(t, yaml.Unmarshal(text, &definition.Object))
			all = append(all, definition)
		}
	}
	return all
}

// moduleDir gives the directory of a module, of go.mod's version where none is named.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", module).Output()
	var answer struct {
		Dir   string `json:"Dir"`   //nolint:tagliatelle // the go command's own names
		Error string `json:"Error"` //nolint:tagliatelle // as above
	}
	if decodeErr := json.Unmarshal(out, &answer); err != nil || decodeErr != nil || answer.Dir == "" {
		t.Fatalf("go mod download %s: %v %s", module, err, answer.Error)
	}
	return answer.Dir
}

// define makes resources known to the API server, waits until it serves them and learns of all that it serves.
func (l *lab) define(t *testing.T, definitions []*unstructured.Unstructured) {
	t.Helper()
	client, err := dynamic.NewForConfig(l.Config)
	must(t, err)
	resource := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, d := range definitions {
		_, err := resource.Create(t.Context(), d, metav1.CreateOptions{})
		must(t, err)
	}
	// A resource is served before discovery tells of it.
	must(t, wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		groups, err := restmapper.GetAPIGroupResources(l.Client.Discovery())
		if err != nil {
			return false, nil //nolint:nilerr // it is asked again
		}
		l.mapper = restmapper.NewDiscoveryRESTMapper(groups)
		for _, d := range definitions {
			resource := definedResource(t, d)
			if _, err := l.mapper.KindFor(resource); err != nil {
				return false, nil //nolint:nilerr // as above
			}
			if _, err := client.Resource(resource).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
				return false, nil //nolint:nilerr // as above
			}
		}
		return true, nil
	}))
}

// definedResource gives the first version of what a definition defines.
func definedResource(t *testing.T, d *unstructured.Unstructured) schema.GroupVersionResource {
	t.Helper()
	var spec struct {
		Group string `json:"group"`
		Names struct {
			Plural string `json:"plural"`
		} `json:"names"`
		Versions []struct {
			Name string `json:"name"`
		} `json:"versions"`
	}
	text, err := json.Marshal(d.Object["spec"])
	must(t, err)
	must(t, json.Unmarshal(text, &spec))
	return schema.GroupVersionResource{Group: spec.Group, Version: spec.Versions[0].Name, Resource: spec.Names.Plural}
}

// dryRun has the API server take an object as it is written, strictly and without keeping it. Warnings are errors.
func (l *lab) dryRun(ctx context.Context, o *unstructured.Unstructured, text string) error {
	kind := o.GroupVersionKind()
	mapping, err := l.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	path := "/apis/" + kind.Group + "/" + kind.Version
	if kind.Group == "" {
		path = "/api/" + kind.Version
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if o.GetNamespace() == "" {
			return fmt.Errorf("%s %s has no namespace", kind.Kind, o.GetName())
		}
		path += "/namespaces/" + o.GetNamespace()
	}
	result := l.Client.Discovery().RESTClient().Post().AbsPath(path, mapping.Resource.Resource).
		Param("dryRun", metav1.DryRunAll).Param("fieldValidation", metav1.FieldValidationStrict).
		SetHeader("Content-Type", "application/yaml").Body([]byte(text)).Do(ctx)
	problems := []error{result.Error()}
	for _, warning := range result.Warnings() {
		problems = append(problems, errors.New("warning: "+warning.Text))
	}
	return errors.Join(problems...)
}
