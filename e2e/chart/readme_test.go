//go:build chart

package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestReadme renders the chart with each example of values in its page, and compares the page's commands with those that NOTES.txt prints.
// That the page is what helm-docs makes, scripts/chart/docs checks.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	must(t, err)
	page := string(text)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(examples) < 3 {
		t.Errorf("the page has %d examples of values", len(examples))
	}
	for _, example := range examples {
		var v values
		must(t, yaml.UnmarshalStrict([]byte(example[1]), &v))
		if _, err := render(v, "runecast", namespace); err != nil {
			t.Errorf("the chart does not take an example of its page: %v\n%s", err, example[1])
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "|") && strings.HasSuffix(strings.TrimSpace(line), "|  |") {
			t.Errorf("a value has no description: %s", line)
		}
	}
	notes := mustRender(t, nil)["runecast/templates/"+notesFile]
	for _, command := range []string{
		`kubectl config set-context --current --namespace=runecast`,
		`RUNECAST_NAMESPACE='runecast'`,
		`kubectl -n $RUNECAST_NAMESPACE get service -l app.kubernetes.io/name=nginx -o jsonpath='{.items[].metadata.name}'`,
		`kubectl -n $RUNECAST_NAMESPACE get service -l app.kubernetes.io/name=nginx -ojsonpath={.items[].spec.ports[].port}`,
		`kubectl -n $RUNECAST_NAMESPACE get pod -l app.kubernetes.io/name=nginx -o jsonpath='{.items[].spec.volumes[?(@.name=="nginx-secret")].secret.secretName}' | xargs kubectl get secret -o jsonpath='{.data.tls\.crt}'`,
	} {
		if !strings.Contains(notes, "  "+command+"\n") && !strings.HasSuffix(notes, "  "+command) {
			t.Errorf("NOTES.txt does not print\n%s\nbut\n%s", command, notes)
		}
		if !strings.Contains(page, "    "+command+"\n") {
			t.Errorf("README.md does not name\n%s", command)
		}
	}
}
