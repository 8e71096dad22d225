package app_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/runecast/runecast/certgen/app"
)

func run(t *testing.T, args ...string) (out, errOut string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = app.Main(t.Context(), args, &o, &e)
	return o.String(), e.String(), code
}

// TestFlags refuses what is wrong with the flags, all of it at once.
func TestFlags(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"source and auth": {[]string{"--tls-source=acme", "--auth=none"}, []string{`--tls-source "acme" is none of certgen, cert-manager, existingSecret`, `--auth "none" is none of key, bearer`}},
		"names":           {[]string{"--namespace=A", "--ca-secret=a/b", "--dns-name=-x", "--service="}, []string{`--namespace "A"`, `--ca-secret "a/b"`, `"-x" is no DNS name`}},
		"times":           {[]string{"--key-wait=-1s", "--timeout=0s", "--leaf-validity=100h", "--ca-validity=200h"}, []string{"--key-wait -1s is negative", "--timeout 0s is not positive", "more than a third of --ca-validity"}},
		"adopt":           {[]string{"--webhook-configuration=a", "--adopt=a"}, []string{"--adopt a is the chart's own"}},
		"gateway":         {[]string{"--push-gateway=us:pw@host"}, []string{"--push-gateway is no http or https URL"}},
		"level":           {[]string{"--log-level=loud"}, []string{`--log-level "loud"`}},
		"unknown":         {[]string{"--tls-sauce=x"}, []string{"unknown flag: --tls-sauce"}},
		"no argument":     {[]string{"now"}, []string{`"now"`}},
		"no API server":   {[]string{"--kubeconfig=/nowhere/at/all"}, []string{"reach the API server", "--kubeconfig"}},
	} {
		for _, command := range []string{"issue", "patch", "reconcile", "remove", "status"} {
			t.Run(name+", "+command, func(t *testing.T) {
				t.Parallel()
				out, errOut, code := run(t, append([]string{command}, c.args...)...)
				if code != app.ExitError || out != "" {
					t.Errorf("exit code %d, output %q", code, out)
				}
				for _, part := range c.want {
					if !strings.Contains(errOut, part) {
						t.Errorf("no %q in %s", part, errOut)
					}
				}
				if strings.Contains(errOut, "us:pw") {
					t.Errorf("it shows the password: %s", errOut)
				}
			})
		}
	}
	if _, errOut, code := run(t, "status", "-o", "yaml"); code != app.ExitError || !strings.Contains(errOut, `output format "yaml" is not known`) {
		t.Errorf("-o yaml: exit code %d, %s", code, errOut)
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"", "issue", "patch", "reconcile", "remove", "status"} {
		args := []string{"--help"}
		if command != "" {
			args = []string{command, "--help"}
		}
		out, errOut, code := run(t, args...)
		if code != app.ExitOK || errOut != "" || !strings.Contains(out, "Usage:") {
			t.Errorf("%v: exit code %d, %s", args, code, errOut)
		}
		if command != "" && !strings.Contains(out, "  certgen "+command) {
			t.Errorf("%s has no example", command)
		}
		if (command == "" || command == "status") && !strings.Contains(out, "Exit codes: 0") {
			t.Errorf("%q does not tell its exit codes", command)
		}
	}
}
