//go:build chart

package chart_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	networking "k8s.io/api/networking/v1"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/web"
	"github.com/runecast/runecast/pkg/web/ui"
)

// TestIngress compares the Ingress's paths with those of the pages and of the REST interface: each is reachable, reviews are not.
func TestIngress(t *testing.T) {
	t.Parallel()
	all := mustRender(t, values{"web": values{"ingress": values{"enabled": true, "host": "gate.corp"}}}).objects(t)
	ingress := into[networking.Ingress](t, only(t, all, "Ingress", "runecast-pages"))
	paths := ingress.Spec.Rules[0].HTTP.Paths
	reaches := func(path string) bool {
		for i := range paths {
			prefix := strings.TrimSuffix(paths[i].Path, "/") + "/"
			if paths[i].Path == path || *paths[i].PathType == networking.PathTypePrefix && strings.HasPrefix(path, prefix) {
				return true
			}
		}
		return false
	}
	wanted := append(pagesPaths(t), ui.SingleSignOnPath, web.ScanRequestsPath, web.ScanRequestsPathAlias, web.Prefix+"/scans", web.Prefix+"/openapi.json")
	if len(wanted) < 15 {
		t.Fatalf("only %q are found", wanted)
	}
	for _, path := range wanted {
		if !reaches(path) {
			t.Errorf("%s is not reachable through the Ingress", path)
		}
	}
	for _, path := range []string{admission.ReviewPath + "2", admission.ReviewPathAlias + "2", "/rc2", "/rca", "/metrics", "/readyz"} {
		if reaches(path) {
			t.Errorf("%s is reachable through the Ingress", path)
		}
	}
}

// pagesPaths reads the patterns of the pages' mux in their source, with a word in the place of each variable.
func pagesPaths(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../pkg/web/ui/*.go")
	must(t, err)
	var found []string
	pattern := regexp.MustCompile(`"(?:` + http.MethodGet + `|` + http.MethodPost + `) (/[^"]*)"`)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		must(t, err)
		for _, match := range pattern.FindAllStringSubmatch(string(text), -1) {
			path := strings.TrimSuffix(match[1], "{$}")
			found = append(found, regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "x"))
		}
	}
	return found
}
