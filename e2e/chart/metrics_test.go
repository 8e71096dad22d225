//go:build chart

package chart_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// selector is what scripts/chart/tools/promql prints of each choice of series.
type selector struct {
	Expression string   `json:"expression"`
	Metric     string   `json:"metric"`
	Labels     []string `json:"labels"`
}

// checkMetrics compares what alerts and dashboard ask for with what a server shows that has reviewed something. Prometheus and its
// operator add the labels namespace and job, and the metric up.
func checkMetrics(t *testing.T, shown string) {
	t.Helper()
	known := map[string][]string{"up": nil}
	label := regexp.MustCompile(`[{,]([a-z_]+)="`)
	for line := range strings.Lines(shown) {
		if name, _, _ := strings.Cut(line, "{"); !strings.HasPrefix(line, "#") {
			name, _, _ = strings.Cut(name, " ")
			known[name] = append(known[name], "namespace", "job")
			for _, m := range label.FindAllStringSubmatch(line, -1) {
				known[name] = append(known[name], m[1])
			}
		}
	}
	known["up"] = []string{"namespace", "job"}
	all := mustRender(t, values{"metrics": values{"prometheusRule": values{"enabled": true}, "dashboard": values{"enabled": true}}}).objects(t)
	asked := slices.Concat(alerts(t, all), panels(t, all))
	if len(asked) < 15 {
		t.Errorf("alerts and dashboard ask for %d series only", len(asked))
	}
	for _, s := range asked {
		labels, is := known[s.Metric]
		if !is {
			t.Errorf("%s: the server has no metric %s", s.Expression, s.Metric)
			continue
		}
		for _, l := range s.Labels {
			if !slices.Contains(labels, l) {
				t.Errorf("%s: %s has no label %s", s.Expression, s.Metric, l)
			}
		}
	}
}

// alerts gives what the PrometheusRule asks for, after Prometheus' own checks of it.
func alerts(t *testing.T, all []object) []selector {
	t.Helper()
	return readRules(t, only(t, all, "PrometheusRule", "runecast").Object["spec"])
}

// panels gives what the dashboard asks for.
func panels(t *testing.T, all []object) []selector {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
		Templating struct {
			List []struct {
				Query any `json:"query"`
			} `json:"list"`
		} `json:"templating"`
	}
	text := into[corev1.ConfigMap](t, only(t, all, "ConfigMap", "runecast-dashboard")).Data["runecast.json"]
	must(t, json.Unmarshal([]byte(text), &dashboard))
	var rules []any
	add := func(expression string) {
		rules = append(rules, values{"record": "dashboard:expression", "expr": expression, "labels": values{"expression": expression}})
	}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			add(target.Expr)
		}
	}
	variable := regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)
	for _, v := range dashboard.Templating.List {
		if query, is := v.Query.(values); is {
			m := variable.FindStringSubmatch(query["query"].(string)) //nolint:errcheck // a panic tells as well
			add("count by (" + m[2] + ") (" + m[1] + ")")
		}
	}
	return readRules(t, values{"groups": []any{values{"name": "dashboard", "rules": rules}}})
}

// readRules has Prometheus' parser read rules.
func readRules(t *testing.T, rules any) []selector {
	t.Helper()
	program := filepath.Join(t.TempDir(), "promql")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", "../../scripts/chart/tools/promql", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	text, err := yaml.Marshal(rules)
	must(t, err)
	command := exec.CommandContext(t.Context(), program)
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = bytes.NewReader(text), &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("Prometheus would not take these rules: %v\n%s\n%s", err, &stderr, text)
	}
	var found []selector
	must(t, json.Unmarshal(out, &found))
	return found
}
