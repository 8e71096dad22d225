package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/export"
)

func TestScanWritesEveryFormat(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, format := range export.Formats() {
		code, out, errOut := h.run("scan", h.vulnerable, "-o", string(format))
		want(t, code, out+errOut, app.ExitOK, "libssl1.1", "1.1.1d-0+deb10u6")
		if strings.Contains(string(format), "cyclonedx") || !format.IsBill() {
			want(t, code, out, app.ExitOK, "CVE-2021-3711", "1.1.1d-0+deb10u7")
		}
		if _, again, _ := h.run("scan", h.vulnerable, "-o", string(format)); again != out {
			t.Errorf("%s differs the second time", format)
		}
		code, out, _ = h.run("scan", h.vulnerable, "-o", string(format), "--policy", "2")
		want(t, code, out, app.ExitDenied, "libssl1.1")
		code, out, _ = h.run("scan", h.unread, "-o", string(format))
		want(t, code, out, app.ExitOK, "usr/lib/opkg/status: the package manager that it belongs to is not supported")
		code, out, errOut = h.run("scan", h.vulnerable+"-none", "-o", string(format), "--policy", "2")
		want(t, code, errOut, app.ExitError, "not-found", "remedy: ")
		if out != "" {
			t.Errorf("%s: something was written for an image that is none: %s", format, out)
		}
	}
	code, out, _ := h.run("scan", h.vulnerable, "-o", "table")
	want(t, code, out, app.ExitOK, "SEVERITY", "critical  CVE-2021-3711  libssl1.1")
	code, out, _ = h.run("scan", h.vulnerable, "-o", "table", "--policy", "2")
	want(t, code, out, app.ExitDenied, deniedLine)
}

func TestBillsNeedNoFeed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	bare := &home{t: t, dir: t.TempDir()}
	for _, format := range export.Formats() {
		code, out, errOut := bare.run("scan", h.vulnerable, "-o", string(format), "--log-level", "warn")
		if !format.IsBill() {
			want(t, code, errOut, app.ExitError, "no-feed: there is no vulnerability data", "runecast feed build")
			continue
		}
		want(t, code, out+errOut, app.ExitOK, "libssl1.1", "the list has no vulnerabilities, as the image was not judged")
		code, _, _ = bare.run("scan", h.vulnerable, "-o", string(format), "--policy", "2") // which denies what it cannot judge
		want(t, code, "", app.ExitDenied)
	}
}

func TestExemptionsAreMarked(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	lenient := write(t, filepath.Join(h.dir, "lenient.yaml"), []byte(
		"policies: [{id: lenient, name: Lenient, rules: [{severity: high}], exemptions: [{ids: [CVE-2021-3711], reason: not reachable, owner: team-a, expires: 2999-01-01}]}]"))
	code, out, errOut := h.run("scan", h.vulnerable, "--policy", "lenient", "--policy-files", lenient, "-o", "cyclonedx")
	want(t, code, out+errOut, app.ExitOK, `"will_not_fix"`, "Exempted: not reachable, by team-a, until 2999-01-02T00:00:00Z")
}
