package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/cmd/runecast/app"
)

// TestReadme tries what the README shows: its policies load, its webhook configuration is one, its commands and flags exist.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "@@") {
		t.Error("the README has a place that was not filled in")
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("the README has %d YAML blocks, want the webhook configuration and the policies", len(blocks))
	}
	var webhook admissionregistrationv1.ValidatingWebhookConfiguration
	if err := yaml.UnmarshalStrict([]byte(blocks[0][1]), &webhook); err != nil || len(webhook.Webhooks) != 1 || len(webhook.Webhooks[0].Rules[0].Resources) != 9 {
		t.Errorf("the webhook configuration: %v", err)
	}
	policies := write(t, filepath.Join(t.TempDir(), "policies.yaml"), []byte(blocks[1][1]))
	code, out, errOut := runProgram(t.Context(), "", "policy", "show", "shop", "--policy-files", policies)
	want(t, code, out+errOut, app.ExitOK, "Nothing exploited, nothing old", "CVE-2021-3711")
	checkCommands(t, string(text))
}

// TestWebhookPage asks that the commands and flags of the page about webhook configurations exist.
func TestWebhookPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/webhook.md")
	if err != nil {
		t.Fatal(err)
	}
	checkCommands(t, strings.ReplaceAll(string(text), "\n    $ ", "\n    "))
}

// checkCommands asks the help of every command of a page for the flags that the page gives it.
func checkCommands(t *testing.T, text string) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^    runecast ([a-z ]*)(.*)$`).FindAllStringSubmatch(text, -1)
	if len(lines) < 5 {
		t.Errorf("the page has %d commands", len(lines))
	}
	for _, line := range lines {
		_, help, _ := runProgram(t.Context(), "", append(strings.Fields(line[1]), "--help")...)
		command, _, _ := strings.Cut(line[2], "#")
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(command, -1) {
			if !strings.Contains(help, flag) {
				t.Errorf("%q: the help of runecast %s does not know %s", strings.TrimSpace(line[0]), line[1], flag)
			}
		}
	}
}

func TestExamplesAreReviewed(t *testing.T) {
	t.Parallel()
	h := &home{t: t, dir: t.TempDir()}
	for _, name := range []string{"review-nginx-1.19.json", "pod-nginx-1.19.yaml"} {
		code, out, errOut := h.run("review", "../../../docs/examples/"+name) // without a feed nothing is pulled
		want(t, code, out+errOut, app.ExitDenied, deniedLine, "No violation was found: the image could not be judged, and the policy denies that.", "no-feed", "runecast feed build")
	}
}
