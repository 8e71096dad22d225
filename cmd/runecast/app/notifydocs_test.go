package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/runecast/runecast/cmd/runecast/app"
)

// TestNotificationsPage loads the settings that the page shows, and makes its signature in both ways.
func TestNotificationsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 1 {
		t.Fatalf("the page has %d YAML blocks", len(blocks))
	}
	file := write(t, filepath.Join(t.TempDir(), "runecast.yaml"), []byte(blocks[0][1]))
	code, out, errOut := runProgram(t.Context(), "", "--config", file, "notify", "test", "nobody")
	want(t, code, out+errOut, app.ExitError, "their notifications are security-team, chat, mail")

	parts := regexp.MustCompile(`webhook-id: (\S+)\n    webhook-timestamp: (\d+)\n    webhook-signature: (\S+)\n`).FindStringSubmatch(string(text))
	signer, err := standardwebhooks.NewWebhook(webhookSecret)
	if err != nil || len(parts) != 4 {
		t.Fatalf("%v %v", err, parts)
	}
	signature, err := signer.Sign(parts[1], time.Unix(1772604367, 0), []byte(`{"type":"runecast.test.v1"}`))
	if err != nil || parts[2] != "1772604367" || signature != parts[3] {
		t.Errorf("the signature is %s %v, on the page %v", signature, err, parts)
	}
	if _, err = exec.LookPath("openssl"); err != nil {
		t.Skip("there is no openssl")
	}
	script := regexp.MustCompile(`(?m)^    (key=.*)\n    (printf .*openssl.*)$`).FindStringSubmatch(string(text))
	if len(script) != 3 {
		t.Fatal("the page's commands are not found")
	}
	made, err := exec.CommandContext(t.Context(), "sh", "-c", script[1]+"\n"+script[2]).Output()
	if err != nil || "v1,"+strings.TrimSpace(string(made)) != parts[3] {
		t.Errorf("the commands give %q %v", made, err)
	}
}
