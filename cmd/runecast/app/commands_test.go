package app_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/image/imagetest"
)

const deniedLine = "Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."

func TestScan(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	code, out, _ := h.run("scan", h.vulnerable)
	want(t, code, out, app.ExitOK, "digest", "sha256:", "Debian GNU/Linux 10 (buster)", "SEVERITY", "critical  CVE-2021-3711  libssl1.1", "1.1.1d-0+deb10u7", "support   END OF LIFE since 2024-06-30", "feed", "2024-11-21", "sources   1 advisories, osv/Debian 1")
	code, out, _ = h.run("scan", h.vulnerable, "--policy", "2")
	want(t, code, out, app.ExitDenied, deniedLine, "libssl1.1 1.1.1d-0+deb10u6 → 1.1.1d-0+deb10u7  CVE-2021-3711 critical")
	code, out, _ = h.run("scan", h.fixed, "--policy", "2")
	want(t, code, out, app.ExitOK, "Allowed by policy 2: 'No critical or high severity vulnerabilities with available fix'.",
		"Warning: Debian GNU/Linux 10 (buster) is past its end of life: support ended on 2022-09-10, extended support on 2024-06-30")
	code, out, _ = h.run("scan", h.vulnerable, "--policy", "2", "-o", "json")
	var report struct {
		Digest       string `json:"digest"`
		Support      string `json:"support"`
		Distribution struct{ ID, Version, Name, Ecosystem, EndOfLife, ExtendedEnd string }
		Policy       string `json:"policy"`
		Findings     []struct{ ID, Severity string }
		Feed         struct{ Revision, Date string }
		FeedData     struct {
			Advisories int
			Sources    []struct {
				Name, File string
				Records    int
			}
		}
		Result struct{ Allowed bool }
	}
	decode(t, out, &report)
	if code != app.ExitDenied || report.Policy != "2" || report.Result.Allowed || len(report.Findings) == 0 || report.Findings[0].ID != "CVE-2021-3711" || report.Findings[0].Severity != "critical" || report.Feed.Revision == "" ||
		report.FeedData.Advisories != 1 || len(report.FeedData.Sources) != 1 || report.FeedData.Sources[0].Records != 1 {
		t.Errorf("code %d, %+v", code, report)
	}
	if d := report.Distribution; report.Support != "endOfLife" || d.ID != "debian" || d.Version != "10" || d.Ecosystem != "Debian:10" || d.EndOfLife != "2022-09-10" || d.ExtendedEnd != "2024-06-30" {
		t.Errorf("support %q, distribution %+v", report.Support, d)
	}
	strict := write(t, filepath.Join(h.dir, "strict.yaml"), []byte("policies: [{id: strict, name: Strict, onEndOfLife: deny, rules: [{severity: high, unknownSeverity: ignore}]}]"))
	code, out, _ = h.run("scan", h.fixed, "--policy", "strict", "--policy-files", strict)
	want(t, code, out, app.ExitDenied, "Debian GNU/Linux 10 (buster) is past its end of life: support ended on 2022-09-10")
	code, out, _ = h.run("policy", "show", "strict", "--policy-files", strict)
	want(t, code, out, app.ExitOK, "onUnknownDistro: deny", "onEndOfLife: deny")
}

func TestWhatCannotBeJudgedIsNotAllowed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	code, out, _ := h.run("scan", h.unread, "--policy", "2")
	want(t, code, out, app.ExitDenied, "NOT JUDGED  usr/lib/opkg/status: the package manager that it belongs to is not supported",
		deniedLine, "No violation was found: the image could not be judged, and the policy denies that.", "not judged: not all packages of the image are known: usr/lib/opkg/status")
	code, out, _ = h.run("scan", h.fixed, "--policy", "3")
	want(t, code, out, app.ExitDenied, "not judged: the feed was built without the list of known exploited vulnerabilities, which the policy asks about", "runecast feed build --kev")
}

func TestScanIsJudgedAsAReviewIs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	host, _, _ := strings.Cut(h.fixed, "/")
	none := host + "/none:1"
	code, out, _ := h.run("scan", none, "--policy", "2")
	want(t, code, out, app.ExitDenied, deniedLine, "No violation was found", "not-found", "remedy: ", "not known: the image was not scanned")
	lenient := write(t, filepath.Join(h.dir, "lenient.yaml"), []byte("policies: [{id: lenient, name: Lenient, onUnscannable: allow, rules: [{severity: high}]}]"))
	code, out, _ = h.run("scan", none, "--policy", "lenient", "--policy-files", lenient)
	want(t, code, out, app.ExitOK, "Allowed by policy lenient: 'Lenient'.")
	empty := &home{t: t, dir: t.TempDir()}
	code, out, errOut := empty.run("scan", none, "--policy", "4", "--allowed-registries", host+"/**")
	want(t, code, out+errOut, app.ExitOK, "Allowed by policy 4: 'Only images from allowed registries'.")
	code, out, _ = empty.run("scan", none, "--policy", "4")
	want(t, code, out, app.ExitDenied, "(Rejected by policy 4: 'Only images from allowed registries').")
	code, _, errOut = h.run("decision", "list", "--verdict", "bogus")
	want(t, code, errOut, app.ExitError, `error: verdict "bogus" is none of allow, deny, unknown`)
}

func TestScanErrors(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	host, _, _ := strings.Cut(h.vulnerable, "/")
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"no such image", []string{host + "/library/none:1"}, []string{"error: image " + host + "/library/none:1: not-found", "remedy: "}},
		{"no reference", []string{"Not A Name"}, []string{"error: image Not A Name: bad-reference", "remedy: "}},
		{"no such policy", []string{h.vulnerable, "--policy", "99"}, []string{`error: there is no policy with the id "99": see runecast policy list`}},
		{"no such platform", []string{h.both, "--platform", "linux/s390x"}, []string{"no-platform", "linux/amd64"}},
		{"no image", nil, []string{"error: accepts 1 arg(s), received 0"}},
		{"unknown format", []string{h.vulnerable, "-o", "xml"}, []string{`error: output format "xml" is not known: use json, cyclonedx, `}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, errOut := h.run(append([]string{"scan"}, test.args...)...)
			want(t, code, errOut, app.ExitError, test.want...)
		})
	}
	empty := &home{t: t, dir: t.TempDir()}
	code, _, errOut := empty.run("scan", h.vulnerable)
	want(t, code, errOut, app.ExitError, "no-feed: there is no vulnerability data", "runecast feed build")
}

func TestRegistryThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	h.feed()
	registry := imagetest.NewRegistry()
	t.Cleanup(registry.Close)
	image := registry.MustPush(t.Context(), "slow:1", imagetest.Nginx119Fixed())
	registry.Inject(imagetest.Any, 1000, registry.Hang())
	began := time.Now()
	code, _, errOut := h.run("scan", image, "--timeout", "300ms")
	want(t, code, errOut, app.ExitError, "error: not done within the time limit: give a longer --timeout")
	manifest := write(t, filepath.Join(t.TempDir(), "pod.yaml"), []byte("apiVersion: v1\nkind: Pod\nspec: {containers: [{image: \""+image+"\"}]}\n"))
	code, _, errOut = h.run("review", manifest, "--timeout", "300ms")
	want(t, code, errOut, app.ExitError, "error: not done within the time limit: give a longer --timeout")
	s := h.serve()
	answered := time.Now()
	status, answer := s.do(http.MethodPost, strings.Replace(reviewPath, "10s", "2s", 1), podReview(image))
	if took := time.Since(answered); status != http.StatusOK || took >= 2*time.Second || !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, "remedy: ") {
		t.Errorf("after %v: %d %s", took, status, answer)
	}
	s.stop()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	pod := func(image string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n  containers:\n  - {name: web, image: \"" + image + "\"}\n"
	}
	deployment := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: front}\nspec: {template: {spec: {initContainers: [{name: a, image: \"" + h.vulnerable + "\"}]}}}\n"
	review := `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","kind":{"kind":"Pod","version":"v1"},"name":"reviewed","namespace":"shop",
 "object":{"spec":{"containers":[{"name":"a","image":"` + h.vulnerable + `"}]}}}}`
	tests := []struct {
		name, manifest string
		code           int
		want           []string
	}{
		{"denied pod", pod(h.vulnerable), app.ExitDenied, []string{"Pod shop/web: denied: " + deniedLine, "CVE-2021-3711"}},
		{"allowed pod", pod(h.fixed), app.ExitOK, []string{"Pod shop/web: allowed by policy 2: 'No critical or high severity vulnerabilities with available fix' (compliant)"}},
		{"several documents", pod(h.fixed) + "---\n# nothing\n---\n" + deployment, app.ExitDenied, []string{"Pod shop/web: allowed", "Deployment front: denied: " + deniedLine}},
		{"items that are no list", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nitems: []\nspec: {containers: [{image: \"" + h.vulnerable + "\"}]}\n", app.ExitDenied, []string{"Pod web: denied"}},
		{"a list", "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(pod(h.vulnerable)), "\n", "\n  ") + "\n", app.ExitDenied, []string{"Pod shop/web: denied"}},
		{"AdmissionReview", review, app.ExitDenied, []string{"Pod shop/reviewed: denied: " + deniedLine}},
		{"a kind without images", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n", app.ExitOK, []string{"Warning: runecast: Service names no image: allowed without a review", "Service s: allowed"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, out, errOut := h.runWith(test.manifest, "review", "-")
			want(t, code, out+errOut, test.code, test.want...)
			path := write(t, filepath.Join(t.TempDir(), "manifest.yaml"), []byte(test.manifest))
			code, out, errOut = h.run("review", path, "-o", "json")
			want(t, code, out+errOut, test.code, `"decision": {`)
		})
	}
}

func TestReviewErrors(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	tests := []struct{ name, manifest, want string }{
		{"nothing", "", "error: - holds no object"},
		{"no object", "hello: world\n", "error: document 1 of -: it is no Kubernetes object: kind or apiVersion is missing"},
		{"no YAML", "a: [", "error: document 1 of -: it is no YAML: "},
		{"a doubled key", "apiVersion: v1\nkind: Pod\nkind: Service\n", `key "kind" already set in map`},
		{"a broken review", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, "error: document 1 of -: it is no AdmissionReview: the AdmissionReview has no request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code, _, errOut := h.runWith(test.manifest, "review", "-")
			want(t, code, errOut, app.ExitError, test.want)
		})
	}
	code, _, errOut := h.run("review", filepath.Join(t.TempDir(), "missing.yaml"))
	want(t, code, errOut, app.ExitError, "error: read the manifest: open ", "no such file")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	code, secret, _ := h.run("token", "create", "--name", "first", "--quiet")
	want(t, code, secret, app.ExitOK)
	secret = strings.TrimSpace(secret)
	if len(secret) != 36 || strings.Count(secret, "-") != 4 {
		t.Errorf("the token %q is no UUID", secret)
	}
	code, out, _ := h.run("token", "create", "--name", "second", "--access-type", "Review", "--expires-in", "24h", "-o", "json")
	var second struct{ ID, Token, AccessType, ExpiresAt string }
	decode(t, out, &second)
	if code != app.ExitOK || len(second.Token) != 36 || second.AccessType != "Review" || second.ExpiresAt == "" {
		t.Errorf("created %s", out)
	}
	code, out, _ = h.run("token", "list")
	want(t, code, out, app.ExitOK, "first", "Global Admin", "second", "Review", "never")
	if strings.Contains(out, secret) || strings.Contains(out, second.Token) {
		t.Error("the list shows a secret")
	}
	code, out, _ = h.run("token", "revoke", second.ID)
	want(t, code, out, app.ExitOK, "token "+second.ID+" is revoked")
	code, _, errOut := h.run("token", "revoke", second.ID)
	want(t, code, errOut, app.ExitError, `error: there is no live token with the id "`+second.ID+`": see runecast token list`)
	code, out, _ = h.run("token", "list", "-o", "json")
	want(t, code, out, app.ExitOK, `"revokedAt"`)
	database, err := os.ReadFile(filepath.Join(h.dir, "runecast.db"))
	if err != nil || strings.Contains(string(database), secret) {
		t.Errorf("the database holds a secret, or cannot be read: %v", err)
	}
	code, _, errOut = h.run("token", "create", "--name", "x", "--access-type", "Root")
	want(t, code, errOut, app.ExitError, "Root", "Global Admin", "Review")
	code, _, errOut = h.run("token", "create")
	want(t, code, errOut, app.ExitError, "a token needs a name")
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	code, out, _ := h.run("policy", "list")
	want(t, code, out, app.ExitOK, "1   No critical or high severity vulnerabilities", "5   Audit only", "built-in")
	_, shown, _ := h.run("policy", "show", "2")
	own := strings.Replace(shown, `id: "2"`, "id: mine", 1)
	if own == shown {
		t.Fatalf("policy show printed no id: %s", shown)
	}
	file := write(t, filepath.Join(h.dir, "mine.yaml"), []byte(own))
	code, out, errOut := h.run("policy", "list", "--policy-files", file, "-o", "json")
	want(t, code, out+errOut, app.ExitOK, `"id": "mine"`)
	bad := write(t, filepath.Join(h.dir, "bad.yaml"), []byte("policies:\n  - id: a\n    nam: x\n    mode: deny\n    rules: [{severity: bad}]\n"))
	code, _, errOut = h.run("policy", "list", "--policy-files", bad)
	want(t, code, errOut, app.ExitError, bad+":3:", bad+":4:", bad+":5:", "nam", "deny", "bad")
	testPolicyDirectory(t, h, own)
	code, _, errOut = h.run("policy", "show", "99")
	want(t, code, errOut, app.ExitError, `there is no policy with the id "99"`)
}

// testPolicyDirectory reads a directory as a mounted ConfigMap is laid out: the files are links into a hidden directory.
func testPolicyDirectory(t *testing.T, h *home, own string) {
	t.Helper()
	mounted, hidden := filepath.Join(h.dir, "mounted"), filepath.Join(h.dir, "mounted", "..2026_11_27")
	if err := os.MkdirAll(hidden, 0o700); err != nil {
		t.Fatal(err)
	}
	code, _, errOut := h.run("policy", "list", "--policy-files", mounted)
	want(t, code, errOut, app.ExitError, mounted+" has no file that ends in .yaml or .yml")
	for _, name := range []string{"one.yaml", "two.yml", "vex.json"} {
		write(t, filepath.Join(hidden, name), []byte(strings.Replace(own, "id: mine", "id: "+name[:3], 1)))
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(mounted, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Base(hidden), filepath.Join(mounted, "..data")); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := h.run("policy", "list", "--policy-files", mounted)
	want(t, code, out+errOut, app.ExitOK, "\none ", "\ntwo ")
	if strings.Contains(out, "\nvex ") {
		t.Errorf("a file that is no YAML was read: %s", out)
	}
}

func TestFeedStatusAndImport(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	code, out, _ := h.run("feed", "status")
	want(t, code, out, app.ExitOK, "data of", "2024-11-21", "days old", "osv/Debian", "Debian:10", "advisories  1")
	index := filepath.Join(h.dir, "feed.index")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	other := &home{t: t, dir: t.TempDir()}
	code, out, _ = other.run("feed", "import", index)
	want(t, code, out, app.ExitOK, "osv/Debian")
	half := write(t, filepath.Join(t.TempDir(), "half.index"), whole[:len(whole)/2])
	code, _, errOut := other.run("feed", "import", half)
	want(t, code, errOut, app.ExitError, "error: import the feed: ", half, "damaged")
	kept, err := os.ReadFile(filepath.Join(other.dir, "feed.index"))
	if err != nil || !bytes.Equal(kept, whole) {
		t.Errorf("the old feed did not stay as it was: %v", err)
	}
	none := &home{t: t, dir: t.TempDir()}
	code, _, errOut = none.run("feed", "status")
	want(t, code, errOut, app.ExitError, "error: feed status: ")
	code, _, errOut = none.run("feed", "build", "--osv", t.TempDir())
	want(t, code, errOut, app.ExitError, "error: build the feed: ")
}

func TestFeedMoves(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	host, _, _ := strings.Cut(strings.TrimPrefix(h.vulnerable, "http://"), "/")
	reference := "oci://" + host + "/runecast/feed:latest"
	file := filepath.Join(t.TempDir(), "copy.index")
	code, out, errOut := h.run("feed", "export", file)
	want(t, code, out+errOut, app.ExitOK, "copy.index", "osv/Debian")
	code, out, errOut = h.run("feed", "push", reference)
	want(t, code, out+errOut, app.ExitOK, reference, "sha256:", "2024-11-21")
	other := &home{t: t, dir: t.TempDir()}
	code, out, errOut = other.run("feed", "pull", reference)
	want(t, code, out+errOut, app.ExitOK, reference, "sha256:", "2024-11-21")
	code, out, _ = other.run("feed", "pull", reference, "-o", "json")
	var result struct {
		Reference, Digest string
		Unchanged         bool
		Feed              struct{ Advisories int }
	}
	decode(t, out, &result)
	if code != app.ExitOK || !result.Unchanged || result.Reference != reference || result.Digest == "" || result.Feed.Advisories != 1 {
		t.Errorf("%d %s", code, out)
	}
	code, _, errOut = other.run("feed", "pull", "oci://"+host+"/none:1")
	want(t, code, errOut, app.ExitError, "error: pull the feed from oci://"+host+"/none:1: ")
	code, out, errOut = other.run("feed", "status")
	want(t, code, out+errOut, app.ExitOK, "osv/Debian")
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	code, out, _ := runProgram(t.Context(), "", "version", "-o", "json")
	var version app.Version
	decode(t, out, &version)
	if code != app.ExitOK || version.Go == "" || version.Platform == "" {
		t.Errorf("%d %s", code, out)
	}
	for _, name := range []string{"serve", "review", "scan", "token create", "policy show", "feed build", "decision list"} {
		code, out, _ = runProgram(t.Context(), "", append(strings.Fields(name), "--help")...)
		want(t, code, out, app.ExitOK, "Examples:\n  runecast "+name[:strings.IndexAny(name+" ", " ")])
		for line := range strings.Lines(out) {
			if len([]rune(line)) > 180 {
				t.Errorf("%s: a line of the help is %d columns wide: %s", name, len([]rune(line)), line)
			}
		}
	}
	code, out, _ = runProgram(t.Context(), "", "completion", "bash")
	want(t, code, out, app.ExitOK, "bash completion V2 for runecast")
}
