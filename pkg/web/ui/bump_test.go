package ui_test

import (
	"net/url"
	"testing"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/web/ui"
)

func TestBumps(t *testing.T) {
	t.Parallel()
	finding := func(id, ecosystem, name, version, fixed string, severity advisory.Severity) advisory.Finding {
		return advisory.Finding{ID: id, Package: inventory.Package{Type: "deb", Ecosystem: ecosystem, Name: name, Version: version}, FixedVersion: fixed, Severity: severity}
	}
	got := ui.Bumps([]advisory.Finding{
		finding("a", "Debian:10", "openssl", "1.1.1d-0+deb10u6", "1.1.1d-0+deb10u7", advisory.SeverityHigh),
		finding("b", "Debian:10", "openssl", "1.1.1d-0+deb10u6", "1.1.1d-0+deb10u10", advisory.SeverityLow), // a greater number than u7
		finding("c", "Debian:10", "openssl", "1.1.1d-0+deb10u6", "", advisory.SeverityCritical),
		finding("d", "Debian:10", "glibc", "2.28-10", "", advisory.SeverityCritical),
		finding("e", "Debian:10", "zlib", "1", "2", advisory.SeverityCritical),
		finding("f", "", "strange", "1", "x", advisory.SeverityMedium),
		finding("g", "", "strange", "1", "y", advisory.SeverityMedium),
	})
	want := []ui.Bump{
		{Name: "zlib", Type: "deb", Version: "1", To: "2", Fixes: 1, Of: 1, Worst: advisory.SeverityCritical},
		{Name: "openssl", Type: "deb", Version: "1.1.1d-0+deb10u6", To: "1.1.1d-0+deb10u10", Fixes: 2, Of: 3, Worst: advisory.SeverityHigh},
		{Name: "strange", Type: "deb", Version: "1", To: "x", Fixes: 2, Of: 2, Worst: advisory.SeverityMedium},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestOwnPath(t *testing.T) {
	t.Parallel()
	for next, want := range map[string]string{
		"/scans/1?image=0": "/scans/1?image=0", "/": "/", "": "/scans", "//evil.example": "/scans", "/\\evil.example": "/scans", "https://evil.example/": "/scans",
		"javascript:alert(1)": "/scans", "/a\nb": "/scans", "/\t/evil.example": "/scans", "evil.example": "/scans", "/%zz": "/scans", "\\\\evil.example": "/scans",
	} {
		if got := ui.OwnPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	q := url.Values{"a": {"1", "2"}, "b": {""}, "c": {"<&>"}}
	for want, pairs := range map[string][]string{
		"/x?a=1&c=%3C%26%3E": nil, "/x?c=%3C%26%3E": {"a", ""}, "/x?a=3&c=%3C%26%3E": {"a", "3"}, "/x?a=1&b=n&c=%3C%26%3E": {"b", "n"}, "/x": {"a", "", "c", ""},
	} {
		if got := ui.With("/x", q, pairs...); got != want {
			t.Errorf("%v: %s, want %s", pairs, got, want)
		}
	}
}
