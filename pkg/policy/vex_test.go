package policy_test

import (
	"strings"
	"testing"

	"github.com/runecast/runecast/pkg/policy"
)

// vexDoc is an OpenVEX document with the given statements, each the inside of a JSON object.
func vexDoc(statements ...string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex-1", "author": "Example", "timestamp": "2026-01-01T00:00:00Z",
		"version": 1, "statements": [{` + strings.Join(statements, "}, {") + `}]}`
}

// about is a statement that a product is not affected by the example's vulnerability.
func about(product string) string {
	return `"vulnerability": {"name": "CVE-2021-3711"}, "status": "not_affected", "justification": "component_not_present", "products": [` + product + `]`
}

func withVEX(t *testing.T, doc string) *policy.Policy {
	t.Helper()
	return load(t, `{"id": "t", "name": "T", "rules": [{"severity": "high"}], "vex": [`+doc+`]}`)
}

func TestVEXProducts(t *testing.T) {
	t.Parallel()
	other := "sha256:" + strings.Repeat("0", 64)
	image := `"@id": "pkg:oci/nginx@` + strings.Replace(digest, ":", "%3A", 1) + `"`
	tests := []struct {
		name, product string
		want          bool
	}{
		{"package", `{"@id": "pkg:deb/debian/libssl1.1@1.1.1d-0%2Bdeb10u6"}`, true},
		{"package of any version", `{"@id": "pkg:deb/debian/libssl1.1"}`, true},
		{"package as identifier", `{"identifiers": {"purl": "pkg:deb/debian/libssl1.1"}}`, true},
		{"source package", `{"@id": "pkg:deb/debian/openssl@1.1.1d-0%2Bdeb10u6"}`, true},
		{"other version", `{"@id": "pkg:deb/debian/libssl1.1@1.1.1d-0%2Bdeb10u5"}`, false},
		{"other distribution", `{"@id": "pkg:deb/ubuntu/libssl1.1"}`, false},
		{"other type", `{"@id": "pkg:apk/debian/libssl1.1"}`, false},
		{"other name", `{"@id": "pkg:deb/debian/libssl"}`, false},
		{"release", `{"@id": "pkg:deb/debian/libssl1.1?distro=debian-10"}`, true},
		{"point release", `{"@id": "pkg:deb/debian/libssl1.1?arch=amd64&distro=debian-10.9"}`, true},
		{"other release", `{"@id": "pkg:deb/debian/libssl1.1?distro=debian-11"}`, false},
		{"release that starts alike", `{"@id": "pkg:deb/debian/libssl1.1?distro=debian-101"}`, false},
		{"other architecture", `{"@id": "pkg:deb/debian/libssl1.1?arch=arm64"}`, false},
		{"qualifier that cannot be compared", `{"@id": "pkg:deb/debian/libssl1.1?vendor=x"}`, false},
		{"image by digest", `{` + image + `}`, true},
		{"image by other digest", `{"@id": "pkg:oci/nginx@` + other + `"}`, false},
		{"image by repository", `{"@id": "pkg:oci/nginx?repository_url=docker.io/library/nginx"}`, true},
		{"image by the repository's parent", `{"@id": "pkg:oci/nginx?repository_url=docker.io/library"}`, true},
		{"image by other repository", `{"@id": "pkg:oci/nginx?repository_url=quay.io/x/nginx"}`, false},
		{"image by digest in another repository", `{"@id": "pkg:oci/nginx@` + digest + `?repository_url=quay.io/x/nginx"}`, false},
		{"image by tag", `{"@id": "pkg:oci/nginx?repository_url=docker.io/library/nginx&tag=1.19"}`, true},
		{"image by other tag", `{"@id": "pkg:oci/nginx?repository_url=docker.io/library/nginx&tag=1.18"}`, false},
		{"image by bare name", `{"@id": "pkg:oci/nginx"}`, false},
		{"image by reference", `{"@id": "nginx:1.19"}`, true},
		{"image by full reference", `{"@id": "docker.io/library/nginx@` + digest + `"}`, true},
		{"image by other reference", `{"@id": "nginx:1.18"}`, false},
		{"image by hash", `{"@id": "https://example.com/nginx", "hashes": {"sha-256": "` + strings.TrimPrefix(digest, "sha256:") + `"}}`, true},
		{"address", `{"@id": "https://example.com/nginx"}`, false},
		{"image with the package", `{` + image + `, "subcomponents": [{"@id": "pkg:deb/debian/libssl1.1"}]}`, true},
		{"image with another package", `{` + image + `, "subcomponents": [{"@id": "pkg:deb/debian/zlib1g"}]}`, false},
		{"other image with the package", `{"@id": "pkg:oci/nginx@` + other + `", "subcomponents": [{"@id": "pkg:deb/debian/libssl1.1"}]}`, false},
		{"package within a package", `{"@id": "pkg:deb/debian/libssl1.1", "subcomponents": [{"@id": "pkg:deb/debian/libssl1.1"}]}`, false},
		{"second product", `{"@id": "pkg:deb/debian/zlib1g"}, {"@id": "pkg:deb/debian/libssl1.1"}`, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := withVEX(t, vexDoc(about(test.product))).Evaluate(subject(), now())
			if (got.Verdict == policy.VerdictAllow) != test.want || (len(got.Exempted) == 1) != test.want {
				t.Fatalf("got %+v, want taken away: %v", got, test.want)
			}
			if test.want && (got.Exempted[0].Reason != "VEX https://example.com/vex-1: not_affected (component_not_present)" || got.Exempted[0].Owner != "Example") {
				t.Errorf("exempted as %+v", got.Exempted[0])
			}
		})
	}
}

func TestVEXPackageTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind, name, version, purl string
		want                      bool
	}{
		{"golang", "golang.org/x/net", "0.1.0", "pkg:golang/golang.org/x/net@v0.1.0", true},
		{"golang", "golang.org/x/net", "0.1.0", "pkg:golang/golang.org/x/net@0.1.0", true},
		{"golang", "golang.org/x/net", "0.1.0", "pkg:golang/net@0.1.0", false},
		{"npm", "@babel/core", "7.0.0", "pkg:npm/%40babel/core@7.0.0", true},
		{"npm", "core", "7.0.0", "pkg:npm/%40babel/core@7.0.0", false},
		{"pypi", "Zope.Interface", "5", "pkg:pypi/zope-interface@5", true},
		{"pypi", "zope", "5", "pkg:pypi/zope-interface@5", false},
		{"maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", true},
		{"maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "pkg:maven/log4j-core@2.14.1", false},
		{"composer", "symfony/http-kernel", "4.4.1", "pkg:composer/symfony/http-kernel@4.4.1", true},
		{"nuget", "Newtonsoft.Json", "12.0.3", "pkg:nuget/newtonsoft.json@12.0.3", true},
		{"gem", "rack", "2.2.3", "pkg:gem/rack@2.2.3", true},
	}
	for _, test := range tests {
		s := subject()
		p := &s.Findings[0].Package
		p.Type, p.Name, p.Version, p.Source, p.Ecosystem = test.kind, test.name, test.version, "", ""
		got := withVEX(t, vexDoc(about(`{"@id": "`+test.purl+`"}`))).Evaluate(s, now())
		if (got.Verdict == policy.VerdictAllow) != test.want {
			t.Errorf("%s is %s %s: %v, want %v", test.purl, test.name, test.version, !test.want, test.want)
		}
	}
}

func TestVEXStatuses(t *testing.T) {
	t.Parallel()
	statement := func(id, status, at string) string {
		return `"vulnerability": {"@id": "https://x/` + id + `", "name": "` + id + `"}, "status": "` + status + `", "impact_statement": "i", "timestamp": "` + at +
			`", "products": [{"@id": "pkg:deb/debian/libssl1.1"}]`
	}
	const early, late = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
	tests := []struct {
		name       string
		statements []string
		want       bool
	}{
		{"not affected", []string{statement("CVE-2021-3711", "not_affected", early)}, true},
		{"fixed", []string{statement("CVE-2021-3711", "fixed", early)}, true},
		{"affected", []string{statement("CVE-2021-3711", "affected", early)}, false},
		{"under investigation", []string{statement("CVE-2021-3711", "under_investigation", early)}, false},
		{"other vulnerability", []string{statement("CVE-2021-3712", "fixed", early)}, false},
		{"alias", []string{statement("ghsa-5ww6-px42-wc85", "fixed", early)}, true},
		{"later affected", []string{statement("CVE-2021-3711", "affected", late), statement("CVE-2021-3711", "fixed", early)}, false},
		{"later fixed", []string{statement("CVE-2021-3711", "affected", early), statement("CVE-2021-3711", "fixed", late)}, true},
		{"later by alias", []string{statement("CVE-2021-3711", "fixed", early), statement("DSA-4963-1", "affected", late)}, false},
		{"at the same time the worse counts", []string{statement("CVE-2021-3711", "affected", early), statement("CVE-2021-3711", "fixed", early)}, false},
	}
	for _, test := range tests {
		got := withVEX(t, vexDoc(test.statements...)).Evaluate(subject(), now())
		if (got.Verdict == policy.VerdictAllow) != test.want {
			t.Errorf("%s: %+v, want taken away: %v", test.name, got, test.want)
		}
	}
}

func TestVEXByDocument(t *testing.T) {
	t.Parallel()
	doc := policy.Document{Name: "vendor.json", Content: []byte(vexDoc(about(`{"@id": "nginx:1.19"}`)))}
	p := load(t, "{id: t, name: T, rules: [{severity: high}], vex: [{file: vendor.json}]}", doc)
	if got := p.Evaluate(subject(), now()); got.Verdict != policy.VerdictAllow {
		t.Errorf("got %+v, want allow", got)
	}
}

func TestVEXErrors(t *testing.T) {
	t.Parallel()
	product := `{"@id": "nginx:1.19"}`
	good := vexDoc(about(product))
	tests := []struct{ doc, want string }{
		{"[", "is no OpenVEX document: unexpected end of JSON input"},
		{"[]", "is no OpenVEX document: it must be a JSON object"},
		{strings.Replace(good, "https://openvex.dev/ns/v0.2.0", "https://cyclonedx.org", 1), `is no OpenVEX document: @context is "https://cyclonedx.org", not https://openvex.dev/ns/v0.2.0`},
		{strings.Replace(good, "https://example.com/vex-1", "", 1), "has no @id"},
		{strings.Replace(good, `"Example"`, `""`, 1), "has no author"},
		{strings.Replace(good, "timestamp", "time", 1), "has no timestamp"},
		{strings.Replace(good, "statements", "claims", 1), "has no statements"},
		{strings.Replace(good, "not_affected", "harmless", 1), `statements[0]: status "harmless" is none of not_affected, affected, fixed, under_investigation`},
		{strings.Replace(good, "justification", "because", 1), "statements[0]: status not_affected needs a justification or an impact_statement"},
		{strings.Replace(good, `"name": "CVE-2021-3711"`, "", 1), "statements[0]: has no vulnerability name"},
		{vexDoc(about("")), "statements[0]: names no products"},
		{vexDoc(about("{}")), "statements[0]: products[0]: has no @id, identifiers or hashes"},
		{vexDoc(about(`{"@id": "nginx:1.19", "subcomponents": [{}]}`)), "statements[0]: products[0].subcomponents[0]: has no @id, identifiers or hashes"},
		{vexDoc(about(`{"@id": "pkg:"}`)), `statements[0]: products[0]: "pkg:" is no package URL: `},
	}
	for _, test := range tests {
		_, err := policy.ParseVEX([]byte(test.doc))
		if err == nil || err.Error() != test.want && (!strings.HasSuffix(test.want, ": ") || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("error %v, want %s", err, test.want)
		}
	}
}
