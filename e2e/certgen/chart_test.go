//go:build certgen

package certgen_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	batch "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/certgen/app"
)

// values is a tree of the chart's values.
type values = map[string]any

// release is what the chart renders for a place.
type release struct {
	place         *place
	texts         []string // one object each
	configuration string   // name of the webhook configuration
}

// render renders the chart for the place's namespace.
func (p *place) render(t *testing.T, v values) *release {
	t.Helper()
	c, err := loader.Load("../../charts/runecast")
	must(t, err)
	complete, err := chartutil.ToRenderValues(c, v, chartutil.ReleaseOptions{Name: "gate", Namespace: p.namespace, Revision: 1, IsInstall: true}, chartutil.DefaultCapabilities)
	must(t, err)
	files, err := engine.Render(c, complete)
	must(t, err)
	r := &release{place: p}
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") {
			for _, one := range releaseutil.SplitManifests(text) {
				r.texts = append(r.texts, one)
			}
		}
	}
	r.configuration = r.object(t, "ValidatingWebhookConfiguration", "").Name
	return r
}

// object finds an object by its kind and, where there is one, the end of its name.
func (r *release) object(t *testing.T, kind, end string) (found metav1.PartialObjectMetadata) {
	t.Helper()
	for _, text := range r.texts {
		if err := yaml.Unmarshal([]byte(text), &found); err == nil && found.Kind == kind && strings.HasSuffix(found.Name, end) {
			return found
		}
	}
	t.Fatalf("the chart renders no %s …%s", kind, end)
	return found
}

// objects gives the objects of some kinds as one text.
func (r *release) objects(kinds ...string) string {
	var all []string
	for _, text := range r.texts {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(text), &meta); err == nil && slices.Contains(kinds, meta.Kind) {
			all = append(all, text)
		}
	}
	return strings.Join(all, "\n---\n")
}

// certgen runs a command as the chart's Job or CronJob of it does, but with the rights of an administrator, and gives its output.
func (r *release) certgen(t *testing.T, command string, more ...string) (out, log string) {
	t.Helper()
	out, log, code := r.try(t, command, more...)
	if code != app.ExitOK {
		t.Errorf("certgen %s: exit code %d\n%s%s", command, code, out, log)
	}
	return out, log
}

// try runs a command and gives its exit code too. A command of no Job is given the arguments of the CronJob.
func (r *release) try(t *testing.T, command string, more ...string) (out, log string, code int) {
	t.Helper()
	args := slices.Clone(r.args(t, command))
	args[0] = command
	args = append(args, "--kubeconfig="+r.place.Kubeconfig)
	var o, e bytes.Buffer
	code = app.Main(t.Context(), append(args, more...), &o, &e)
	return o.String(), e.String(), code
}

func (r *release) args(t *testing.T, command string) []string {
	t.Helper()
	var cron []string
	for _, text := range r.texts {
		var job batch.Job
		var cronJob batch.CronJob
		if err := yaml.Unmarshal([]byte(text), &job); err == nil && job.Kind == "Job" && job.Name == "runecast-certgen-"+command {
			return job.Spec.Template.Spec.Containers[0].Args
		}
		if err := yaml.Unmarshal([]byte(text), &cronJob); err == nil && cronJob.Kind == "CronJob" && cronJob.Name == "runecast-certgen" {
			cron = cronJob.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Args
		}
	}
	if cron == nil {
		t.Fatal("the chart renders no CronJob of certgen")
	}
	return cron
}

// awaitPod waits until the API server takes a pod in a namespace that opted in, and has asked the servers about it.
func (p *place) awaitPod(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		before := p.front.reviews.Load()
		if err := p.tryPod(t); err != nil {
			return err
		}
		if p.front.reviews.Load() == before {
			return errors.New("no review came")
		}
		return nil
	})
}

// tryPod creates a pod as a dry run in the namespace that opted in.
func (p *place) tryPod(t *testing.T) error {
	t.Helper()
	name := p.namespace + "-apps"
	_, err := p.Client.CoreV1().Namespaces().Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		_, err = p.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"runecast-admission-policy": "2"}}}, metav1.CreateOptions{})
		must(t, err)
	}
	_, err = p.Client.CoreV1().Pods(name).Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "registry.example.com/app:1"}}},
	}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("create a pod: %w", err)
	}
	return nil
}
