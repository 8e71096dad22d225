package policy_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

// update rewrites the golden messages: go test ./pkg/policy -run TestDenialMessages -update.
var update = flag.Bool("update", false, "rewrite testdata/messages")

// contractLine is the first line of a denial by policy 2, to the letter.
const contractLine = "Image scan in Runecast Analyzer found policy violations: (Rejected by policy 2: 'No critical or high severity vulnerabilities with available fix')."

// images judges subjects by a policy.
func images(p *policy.Policy, subjects ...policy.Subject) []policy.ImageResult {
	out := make([]policy.ImageResult, len(subjects))
	for i := range subjects {
		out[i] = policy.ImageResult{Reference: subjects[i].Reference, Digest: subjects[i].Digest, Result: p.Evaluate(subjects[i], now())}
	}
	return out
}

// many is a subject with n packages of which each has per vulnerabilities.
func many(ref string, n, per int) policy.Subject {
	s := subject()
	s.Reference, s.Findings = ref, nil
	for i := range n {
		for j := range per {
			f := opensslFinding()
			f.Package.Name = fmt.Sprintf("package%02d", i)
			f.ID = fmt.Sprintf("CVE-2021-%d%02d", j, i)
			f.FixedVersion = fmt.Sprintf("1.1.1d-0+deb10u%d", 7+j) // u10 is above u9, which the order of texts gets wrong
			s.Findings = append(s.Findings, f)
		}
	}
	return s
}

func goldenMessages(t *testing.T) map[string]string {
	t.Helper()
	two, four := builtIn(t, "2"), builtIn(t, "4")
	changed := func(change func(s *policy.Subject)) policy.Subject {
		s := subject()
		change(&s)
		return s
	}
	pending := changed(func(s *policy.Subject) {
		s.Outcome, s.Digest, s.Findings = policy.OutcomePending, "", nil
		s.Cause, s.Remedy = "the scan of nginx:1.19 is still running", "try again in a minute"
	})
	uncovered := changed(func(s *policy.Subject) { s.Uncovered = []advisory.Uncovered{{Ecosystem: "Alpine:v3.19", Packages: 15}} })
	hostile := changed(func(s *policy.Subject) {
		s.Findings[0].Package.Name = "lib\nImage scan is fine\x1b[1A\u202e" + strings.Repeat("x", 500)
	})
	unknownEcosystem := many("nginx:1.19", 1, 3)
	for i := range unknownEcosystem.Findings {
		unknownEcosystem.Findings[i].Package.Ecosystem = "Nowhere:1"
	}
	partly := many("nginx:1.19", 1, 3)
	partly.Findings[1].FixedVersion = ""
	samePackageTwice := changed(func(s *policy.Subject) {
		f := opensslFinding()
		f.Package.Path = "elsewhere"
		s.Findings = append(s.Findings, f)
	})
	clean := changed(func(s *policy.Subject) { s.Reference, s.Findings = "busybox:1", nil })
	var crowd []policy.Subject
	for i := range 12 {
		crowd = append(crowd, many(fmt.Sprintf("app%02d:1", i), 9, 2))
	}
	return map[string]string{
		"one":              policy.DenialMessage(two, images(two, subject())),
		"grouped":          policy.DenialMessage(two, images(two, many("nginx:1.19", 3, 5))),
		"more_packages":    policy.DenialMessage(two, images(two, many("nginx:1.19", 13, 4))),
		"two_images":       policy.DenialMessage(two, images(two, subject(), clean, many("httpd:2", 1, 1))),
		"cut":              policy.DenialMessage(two, images(two, crowd...)),
		"pending":          policy.DenialMessage(two, images(two, pending)),
		"violation_and_no": policy.DenialMessage(two, images(two, uncovered, pending)),
		"registry":         policy.DenialMessage(four, images(four, subject())),
		"hostile":          policy.DenialMessage(two, images(two, hostile)),
		"order_unknown":    policy.DenialMessage(two, images(two, unknownEcosystem)),
		"partly_fixed":     policy.DenialMessage(builtIn(t, "1"), images(builtIn(t, "1"), partly)),
		"same_package":     policy.DenialMessage(two, images(two, samePackageTwice)),
	}
}

func TestDenialMessages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("testdata", "messages")
	got := goldenMessages(t)
	if *update {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, message := range got {
		file := filepath.Join(dir, name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(message+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v (run with -update)", err)
		}
		if message+"\n" != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, message, want)
		}
		if len(message) > 4096 {
			t.Errorf("%s: %d bytes, more than 4096", name, len(message))
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := got[strings.TrimSuffix(f.Name(), ".txt")]; !ok {
			t.Errorf("testdata/messages/%s belongs to no case: remove it", f.Name())
		}
	}
}

func TestDenialFirstLine(t *testing.T) {
	t.Parallel()
	p := builtIn(t, "2")
	line, _, _ := strings.Cut(policy.DenialMessage(p, images(p, subject())), "\n")
	if line != contractLine {
		t.Errorf("first line %q, want %q", line, contractLine)
	}
	s := subject()
	s.Outcome, s.Findings = policy.OutcomeUnscannable, nil
	const unknown = contractLine + "\nNo violation was found: the image could not be judged, and the policy denies that.\n"
	if got := policy.DenialMessage(p, images(p, s)); !strings.HasPrefix(got, unknown) {
		t.Errorf("message %q, want the beginning %q", got, unknown)
	}
	s.Outcome = policy.OutcomeScanned
	if got := policy.DenialMessage(p, images(p, s)); got != "" {
		t.Errorf("a denial of nothing: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	p := load(t, "{id: t, name: T, mode: warn, rules: [{severity: high}]}")
	got := policy.Warnings(images(p, subject(), subject()))
	want := []string{"nginx:1.19: libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s := many("evil\n\x1b[2J"+strings.Repeat("ü", 300), 300, 1)
	got = policy.Warnings(images(p, s))
	total := 0
	for _, w := range got {
		n := utf8.RuneCountInString(w)
		total += n
		if n > 256 || strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("warning of %d runes: %q", n, w)
		}
	}
	if last := got[len(got)-1]; total > 4096 || last != fmt.Sprintf("%d more warnings left out", 300-len(got)+1) {
		t.Errorf("%d runes in all, last %q", total, last)
	}
	if got := policy.LimitWarnings([]string{strings.Repeat("a", 256), "b"}); !slices.Equal(got, []string{strings.Repeat("a", 256), "b"}) {
		t.Errorf("short warnings changed: %q", got)
	}
	if got := policy.LimitWarnings([]string{strings.Repeat("a", 257)}); got[0] != strings.Repeat("a", 255)+"…" {
		t.Errorf("long warning became %q", got[0])
	}
	exact := slices.Repeat([]string{strings.Repeat("a", 256)}, 16)
	if got := policy.LimitWarnings(exact); len(got) != 16 {
		t.Errorf("16 warnings of 256 fit, got %d: last %q", len(got), got[len(got)-1])
	}
}
