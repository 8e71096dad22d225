package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNamesOfRecords gives records the names of what they are about.
func TestNamesOfRecords(t *testing.T) {
	t.Parallel()
	d := newDictionary([]entry{
		{id: "DEBIAN-CVE-2021-3711", others: []string{"CVE-2021-3711"}},
		{id: "ALPINE-CVE-2020-1967"},
		{id: "DSA-1", others: []string{"CVE-2020-0001", "CVE-2020-0002"}},
		{id: "PYSEC-1", others: []string{"CVE-2020-0003", "GHSA-a"}},
		{id: "GHSA-a"}, // PYSEC-1 knows its CVE
		{id: "NSWG-1", others: []string{"GHSA-b"}}, // nobody knows a CVE
		{id: "RETIREJS-1", others: []string{"GHSA-b", "GHSA-c"}},
		{id: "GHSA-c"},
		{id: "RUSTSEC-1"},
		{id: "GO-1", others: []string{"SEE-CVE-2020-0009"}}, // no alias, only text that ends like one
	})
	for id, want := range map[string]string{
		"DEBIAN-CVE-2021-3711": "CVE-2021-3711", "ALPINE-CVE-2020-1967": "CVE-2020-1967", "DSA-1": "CVE-2020-0001 CVE-2020-0002",
		"PYSEC-1": "CVE-2020-0003", "GHSA-a": "CVE-2020-0003", "NSWG-1": "GHSA-b", "RETIREJS-1": "GHSA-b", "GHSA-c": "GHSA-b",
		"RUSTSEC-1": "RUSTSEC-1", "CVE-2022-0001": "CVE-2022-0001", "GO-1": "GO-1",
	} {
		if got := strings.Join(d.names(id), " "); got != want {
			t.Errorf("%s stands for %q, want %q", id, got, want)
		}
	}
}

// TestOutputs reads what each program prints of the same four vulnerabilities into the same findings.
func TestOutputs(t *testing.T) {
	t.Parallel()
	d := newDictionary([]entry{{id: "DEBIAN-CVE-2021-3711"}, {id: "PYSEC-1", others: []string{"CVE-2020-0003"}}, {id: "GO-1"}, {id: "GHSA-m", others: []string{"CVE-2021-44228"}}})
	want := []finding{
		{"Debian", "libssl1.1", "1.1.1d-0+deb10u6", "CVE-2021-3711", ""},
		{"Go", "stdlib", "1.19.4", "GO-1", "usr/bin/old"},
		{"Maven", "org.apache.logging.log4j:log4j-core", "2.14.1", "CVE-2021-44228", "opt/a.jar"},
		{"PyPI", "jinja2", "2.10", "CVE-2020-0003", "usr/lib/Jinja2-2.10.dist-info/METADATA"},
	}
	for name, program := range map[string]struct {
		read func([]byte, dictionary) (findings, error)
		text string
	}{
		"runecast": {readRunecast, `{"findings": [
			{"id": "CVE-2021-3711", "package": {"ecosystem": "Debian:10", "name": "libssl1.1", "version": "1.1.1d-0+deb10u6", "source": "openssl", "path": "var/lib/dpkg/status"}},
			{"id": "CVE-2020-0003", "package": {"ecosystem": "PyPI", "name": "Jinja2", "version": "2.10", "path": "usr/lib/Jinja2-2.10.dist-info/METADATA"}},
			{"id": "GO-1", "package": {"ecosystem": "Go", "name": "stdlib", "version": "1.19.4", "path": "usr/bin/old"}},
			{"id": "CVE-2021-44228", "package": {"ecosystem": "Maven", "name": "org.apache.logging.log4j:log4j-core", "version": "2.14.1", "path": "opt/a.jar"}}]}`},
		"grype": {readGrype, `{"matches": [
			{"vulnerability": {"id": "DEBIAN-CVE-2021-3711"}, "artifact": {"version": "1.1.1d-0+deb10u6", "purl": "pkg:deb/debian/libssl1.1@1.1.1d-0%2Bdeb10u6?arch=amd64", "locations": [{"path": "/var/lib/dpkg/status"}]}},
			{"vulnerability": {"id": "PYSEC-1"}, "artifact": {"version": "2.10", "purl": "pkg:pypi/jinja2@2.10", "locations": [
				{"path": "/usr/lib/Jinja2-2.10.dist-info/METADATA", "annotations": {"evidence": "primary"}}, {"path": "/usr/lib/Jinja2-2.10.dist-info/RECORD", "annotations": {"evidence": "supporting"}}]}},
			{"vulnerability": {"id": "GO-1"}, "artifact": {"version": "go1.19.4", "purl": "pkg:golang/stdlib@1.19.4", "locations": [{"path": "/usr/bin/old"}]}},
			{"vulnerability": {"id": "GHSA-m"}, "artifact": {"version": "2.14.1", "purl": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "locations": [{"path": "/opt/a.jar"}]}}]}`},
		"osv-scanner": {readScanner, `{"results": [
			{"source": {"path": "/var/lib/dpkg/status"}, "packages": [{"package": {"name": "openssl", "os_package_name": "libssl1.1", "version": "1.1.1d-0+deb10u6", "ecosystem": "Debian:10"}, "vulnerabilities": [{"id": "DEBIAN-CVE-2021-3711"}]}]},
			{"source": {"path": "/usr/lib/Jinja2-2.10.dist-info/METADATA"}, "packages": [{"package": {"name": "Jinja2", "version": "2.10", "ecosystem": "PyPI"}, "vulnerabilities": [{"id": "PYSEC-1"}]}]},
			{"source": {"path": "usr/bin/old"}, "packages": [{"package": {"name": "stdlib", "version": "1.19.4", "ecosystem": "Go"}, "vulnerabilities": [{"id": "GO-1"}]}]},
			{"source": {"path": "opt/a.jar"}, "packages": [{"package": {"name": "org.apache.logging.log4j:log4j-core", "version": "2.14.1", "ecosystem": "Maven"}, "vulnerabilities": [{"id": "GHSA-m"}]}]}]}`},
	} {
		got, err := program.read([]byte(program.text), d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, f := range want {
			if !got[f] {
				t.Errorf("%s: %v is missing", name, f)
			}
			delete(got, f)
		}
		for f := range got {
			t.Errorf("%s: %v is too many", name, f)
		}
	}
}

// TestUnreadIsNoAgreement refuses a report that says it is not complete, which would otherwise differ by what was not read.
func TestUnreadIsNoAgreement(t *testing.T) {
	t.Parallel()
	if _, err := readRunecast([]byte(`{"findings": [], "unread": ["a.jar: it is no zip archive"]}`), dictionary{}); err == nil || !strings.Contains(err.Error(), "a.jar") {
		t.Errorf("got %v", err)
	}
}

// TestCompare finds what one of two alone has.
func TestCompare(t *testing.T) {
	t.Parallel()
	a, b, c := finding{vulnerability: "CVE-1"}, finding{vulnerability: "CVE-2"}, finding{vulnerability: "CVE-3"}
	differences, both := compare("small", grype, findings{a: true, b: true}, findings{b: true, c: true})
	want := []difference{{"small", grype, grype, c}, {"small", grype, runecast, a}}
	if both != 1 || !slices.Equal(differences, want) {
		t.Errorf("both %d, differences %v, want 1 and %v", both, differences, want)
	}
}

const head = "# Text\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n| only | peer | ecosystem | package | version | vulnerability | path | why | checked |\n|---|---|---|---|---|---|---|---|---|\n"

func causesOf(t *testing.T, rows string) ([]cause, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.md")
	if err := os.WriteFile(path, []byte(head+rows), 0o600); err != nil {
		t.Fatal(err)
	}
	return readCauses(path)
}

// TestExplain looks differences up in a table: one side, one peer, every cell.
func TestExplain(t *testing.T) {
	t.Parallel()
	causes, err := causesOf(t, "| peer | grype, osv-scanner | PyPI | `django`, `jinja2` | 3.* | * | usr/lib/python3/dist-packages/* | the distribution's | looked |\n"+
		"| runecast | grype | Go | * | * | CVE-2020-1 | * | no reason | looked |\n\nmore text\n")
	if err != nil || len(causes) != 2 {
		t.Fatalf("%d causes, %v", len(causes), err)
	}
	django := finding{"PyPI", "django", "3.2.19", "CVE-2023-1", "usr/lib/python3/dist-packages/Django-3.2.19.egg-info/PKG-INFO"}
	other := func(change func(*finding)) finding {
		f := django
		change(&f)
		return f
	}
	for name, test := range map[string]struct {
		difference
		want bool
	}{
		"grype's":               {difference{"large", grype, grype, django}, true},
		"osv-scanner's":         {difference{"large", osvScanner, osvScanner, django}, true},
		"ours":                  {difference{"large", grype, runecast, django}, false},
		"another ecosystem":     {difference{"large", grype, grype, other(func(f *finding) { f.ecosystem = "npm" })}, false},
		"another package":       {difference{"large", grype, grype, other(func(f *finding) { f.name = "django-x" })}, false},
		"another version":       {difference{"large", grype, grype, other(func(f *finding) { f.version = "13.2" })}, false},
		"another place":         {difference{"large", grype, grype, other(func(f *finding) { f.path = "app/METADATA" })}, false},
		"ours, by id":           {difference{"large", grype, runecast, finding{"Go", "a.b/c", "1", "CVE-2020-1", "bin/x"}}, true},
		"ours, by a longer id":  {difference{"large", grype, runecast, finding{"Go", "a.b/c", "1", "CVE-2020-10", "bin/x"}}, false},
		"ours, of another peer": {difference{"large", osvScanner, runecast, finding{"Go", "a.b/c", "1", "CVE-2020-1", "bin/x"}}, false},
	} {
		e := explain(causes, []difference{test.difference})
		if got := len(e.unknown) == 0; got != test.want {
			t.Errorf("%s: explained %t, want %t", name, got, test.want)
		}
	}
}

// TestReport fails on a difference without a row, and on a row without a difference.
func TestReport(t *testing.T) {
	t.Parallel()
	causes, err := causesOf(t, "| peer | grype | npm | ws | * | * | * | a reason | looked |\n")
	if err != nil {
		t.Fatal(err)
	}
	ws := difference{"app", grype, grype, finding{"npm", "ws", "1.0.0", "CVE-1", "app"}}
	lodash := difference{"app", grype, runecast, finding{"npm", "lodash", "4.17.4", "CVE-2", "app"}}
	for name, test := range map[string]struct {
		all  []difference
		want []string // parts of the error; none: no error
	}{
		"all explained": {[]difference{ws}, nil},
		"one not":       {[]difference{ws, lodash}, []string{"1 differences have no row"}},
		"a stale row":   {nil, []string{":9 explains no difference any more"}},
		"both":          {[]difference{lodash}, []string{"1 differences have no row", ":9 explains no difference any more"}},
	} {
		var out strings.Builder
		err := report(&out, "table.md", causes, test.all)
		if (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v lacks %q", name, err, part)
			}
		}
		if slices.Contains(test.all, lodash) && !strings.Contains(out.String(), "UNEXPLAINED image app, runecast and not grype: npm | lodash | 4.17.4 | CVE-2 | app\n") {
			t.Errorf("%s: it does not print the difference: %s", name, out.String())
		}
	}
}

// TestTableIsStrict refuses rows that explain too much or nothing.
func TestTableIsStrict(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]string{
		"anything of an ecosystem": "| peer | grype | Go | * | * | * | * | so it is | looked |\n",
		"any of several":           "| peer | grype | Go | *, a | * | * | `*` | so it is | looked |\n",
		"no reason":                "| peer | grype | Go | a | * | * | * |  | looked |\n",
		"not checked":              "| peer | grype | Go | a | * | * | * | so it is |  |\n",
		"nobody's":                 "| grype | grype | Go | a | * | * | * | so it is | looked |\n",
		"a cell too few":           "| peer | grype | Go | a | * | * | so it is | looked |\n",
	} {
		if causes, err := causesOf(t, rows); err == nil {
			t.Errorf("%s: %d causes and no error", name, len(causes))
		}
	}
	path := filepath.Join(t.TempDir(), "table.md")
	if err := os.WriteFile(path, []byte("| a |\n|---|\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readCauses(path); err == nil {
		t.Error("a file without the table is read")
	}
}
