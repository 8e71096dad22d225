//go:build chart

package chart_test

import (
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
	wanted := append(pagesPaths(), ui.SingleSignOnPath, web.ScanRequestsPath, web.ScanRequestsPathAlias, web.Prefix+"/scans", web.Prefix+"/openapi.json")
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

// pagesPaths gives the paths of the pages' mux, with a word in the place of each variable.
func pagesPaths() []string {
	found := []string{"/login", "/static/style.css"} // for which nobody logs in
	for pattern := range ui.Routes() {
		_, path, _ := strings.Cut(pattern, " ")
		found = append(found, regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimSuffix(path, "{$}"), "x"))
	}
	return found
}
