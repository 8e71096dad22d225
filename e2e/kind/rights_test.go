//go:build e2e

package kind_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/releaseutil"
)

// testRights compares what each service account of the chart may do with a golden file, those of the hooks too.
// RUNECAST_UPDATE_GOLDEN=1 writes the files anew.
func (l *lab) testRights(t *testing.T) {
	hooks := l.hookIdentities(t)
	l.apply(t, "apply", hooks)
	defer l.apply(t, "delete", hooks)
	for _, account := range []string{"runecast-nginx", "runecast-server", "runecast-certgen", "runecast-certgen-issue", "runecast-certgen-remove"} {
		l.kubectl("--namespace="+releaseNamespace, "get", "serviceaccount", account)
		got := l.rights(account)
		golden := filepath.Join("testdata", "rights", account+".txt")
		if os.Getenv("RUNECAST_UPDATE_GOLDEN") != "" {
			must(t, os.MkdirAll(filepath.Dir(golden), 0o755))
			must(t, os.WriteFile(golden, []byte(got), 0o644))
		}
		want, err := os.ReadFile(golden)
		must(t, err)
		if got != string(want) {
			t.Errorf("%s may do:\n%s\nwant, of %s:\n%s", account, got, golden, want)
		}
	}
}

// rights are the lines of kubectl auth can-i --list, sorted, without those that every service account has.
func (l *lab) rights(account string) string {
	l.t.Helper()
	list := func(name string) []string {
		text := l.kubectl("auth", "can-i", "--list", "--namespace="+releaseNamespace, "--as=system:serviceaccount:"+releaseNamespace+":"+name)
		var lines []string
		for line := range strings.Lines(text) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		slices.Sort(lines)
		return lines
	}
	everybody := list("default")
	own := slices.DeleteFunc(list(account), func(line string) bool { return slices.Contains(everybody, line) })
	if len(own) == 0 {
		return "nothing\n"
	}
	return strings.Join(own, "\n") + "\n"
}

// hookIdentities gives the service accounts and rights of the hooks, which go when a hook is done.
func (l *lab) hookIdentities(t *testing.T) string {
	t.Helper()
	rendered, err := l.helm(releaseNamespace).Releases.Last(releaseName)
	must(t, err)
	var wanted []string
	for _, hook := range rendered.Hooks {
		if slices.Contains([]string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}, hook.Kind) {
			wanted = append(wanted, slices.Sorted(mapValues(releaseutil.SplitManifests(hook.Manifest)))...)
		}
	}
	if len(wanted) == 0 {
		t.Fatal("no hook has rights")
	}
	return strings.Join(wanted, "\n---\n")
}
