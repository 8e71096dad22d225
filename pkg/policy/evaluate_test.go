package policy_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/policy"
)

func TestBuiltIns(t *testing.T) {
	t.Parallel()
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		id, name string
		scan     bool
		verdict  policy.Verdict // of the example image
		allowed  bool
		unfixed  policy.Verdict // of the example image without a fix
	}{
		{"1", "No critical or high severity vulnerabilities", true, policy.VerdictDeny, false, policy.VerdictDeny},
		{"2", "No critical or high severity vulnerabilities with available fix", true, policy.VerdictDeny, false, policy.VerdictAllow},
		{"3", "No known exploited vulnerabilities", true, policy.VerdictAllow, true, policy.VerdictAllow},
		{"4", "Only images from allowed registries", false, policy.VerdictDeny, false, policy.VerdictDeny},
		{"5", "Audit only", true, policy.VerdictDeny, true, policy.VerdictDeny},
	}
	if got := len(set.List()); got != len(want) {
		t.Fatalf("%d built-in policies, want %d", got, len(want))
	}
	for i, p := range set.List() {
		w := want[i]
		if p.ID != w.id || p.Name != w.name || p.NeedsScan() != w.scan || !p.ReadOnly() || p.Source != policy.SourceBuiltIn {
			t.Errorf("policy %d is %s %q, scan %v, source %s; want %+v", i, p.ID, p.Name, p.NeedsScan(), p.Source, w)
		}
		got := p.Evaluate(subject(), now())
		if got.Verdict != w.verdict || got.Allowed != w.allowed || len(got.Warnings) != 0 {
			t.Errorf("policy %s: %+v, want %s, allowed %v, no warnings", p.ID, got, w.verdict, w.allowed)
		}
		s := subject()
		s.Findings[0].FixedVersion = ""
		if got := p.Evaluate(s, now()); got.Verdict != w.unfixed {
			t.Errorf("policy %s without a fix: %s, want %s", p.ID, got.Verdict, w.unfixed)
		}
	}
}

func TestBuiltInRegistries(t *testing.T) {
	t.Parallel()
	got := builtIn(t, "4").Evaluate(subject(), now())
	const unset = "docker.io/library/nginx: no registry is allowed yet: set the server's option allowedRegistries, for example to docker.io/library"
	if len(got.Violations) != 1 || got.Violations[0].Detail != unset || got.Violations[0].Finding != nil {
		t.Errorf("got %+v, want one violation %q", got.Violations, unset)
	}
	set, err := policy.NewSet(policy.BuiltInOptions{AllowedRegistries: []string{"docker.io/library"}})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := set.Get("4")
	s := subject()
	s.Outcome = policy.OutcomePending
	if got := p.Evaluate(s, now()); got.Verdict != policy.VerdictAllow || !got.Allowed {
		t.Errorf("a pending scan matters to a rule about registries: %+v", got)
	}
	s.Reference = "quay.io/a/b@" + digest
	const outside = "quay.io/a/b is not in an allowed registry (docker.io/library)"
	if got := p.Evaluate(s, now()); len(got.Violations) != 1 || got.Violations[0].Detail != outside {
		t.Errorf("got %+v, want one violation %q", got.Violations, outside)
	}
	_, err = policy.NewSet(policy.BuiltInOptions{AllowedRegistries: []string{"nginx"}})
	const bad = `rules[0].allowedRegistries[0]: "nginx" names no registry: write docker.io/library/nginx, or **/nginx for any registry`
	if err == nil || err.Error() != bad {
		t.Errorf("error %v, want %s", err, bad)
	}
}

func TestUnknownSeverityIsCounted(t *testing.T) {
	t.Parallel()
	s := subject()
	s.Findings[0].Severity = advisory.SeverityUnknown
	s.Findings = append(s.Findings, s.Findings[0])
	got := builtIn(t, "1").Evaluate(s, now())
	want := []string{`2 findings of unknown severity not judged by rule "severity high or worse"`}
	if got.Verdict != policy.VerdictAllow || !slices.Equal(got.Warnings, want) {
		t.Errorf("got %+v, want allow and %q", got, want)
	}
	s.Findings = s.Findings[:1]
	s.Findings[0].FixedVersion = ""
	if got := builtIn(t, "2").Evaluate(s, now()); len(got.Warnings) != 0 {
		t.Errorf("policy 2 counts a finding that has no fix: %q", got.Warnings)
	}
}

func TestViolationsWorstFirst(t *testing.T) {
	t.Parallel()
	order := []func(f *advisory.Finding){
		func(f *advisory.Finding) { f.KEV = &advisory.KEV{} },
		func(f *advisory.Finding) { f.EPSS = &advisory.EPSS{Probability: 0.9} },
		func(f *advisory.Finding) { f.CVSS = &advisory.CVSS{Score: 10} },
		func(f *advisory.Finding) { f.ID = "CVE-2020-1" },
		func(f *advisory.Finding) { f.Package.Name = "a" },
		func(*advisory.Finding) {},
		func(f *advisory.Finding) { f.EPSS = nil },
		func(f *advisory.Finding) { f.Severity = advisory.SeverityHigh; f.KEV = &advisory.KEV{} },
	}
	var want []advisory.Finding
	s := subject()
	s.Findings = nil
	for _, change := range order {
		f := opensslFinding()
		change(&f)
		want = append(want, f)
		s.Findings = append([]advisory.Finding{f}, s.Findings...)
	}
	p := load(t, "{id: t, name: T, rules: [{severity: low}, {allowedRegistries: []}]}")
	got := p.Evaluate(s, now())
	if got.Violations[0].Finding != nil {
		t.Fatalf("a violation of the image itself comes first, not %+v", got.Violations[0])
	}
	for i, v := range got.Violations[1:] {
		if !reflect.DeepEqual(*v.Finding, want[i]) {
			t.Errorf("violation %d is %+v, want %+v", i, *v.Finding, want[i])
		}
	}
	if again := p.Evaluate(s, now()); !reflect.DeepEqual(got, again) {
		t.Error("two evaluations differ")
	}
}

func TestDetails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		change func(f *advisory.Finding)
		want   string
	}{
		{func(*advisory.Finding) {}, "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7"},
		{func(f *advisory.Finding) { f.KEV = &advisory.KEV{} }, "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical, known exploited), fixed in 1.1.1d-0+deb10u7"},
		{func(f *advisory.Finding) { f.FixedVersion = "" }, "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), no fix known"},
		{func(f *advisory.Finding) { f.Package.Name = "a\x1b[2Jb\nc\u202ed" }, "a\ufffd[2Jb c\ufffdd 1.1.1d-0+deb10u6: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7"},
		{
			func(f *advisory.Finding) { f.Package.Version = strings.Repeat("9", 1000) },
			"libssl1.1 " + strings.Repeat("9", 127) + "…: CVE-2021-3711 (critical), fixed in 1.1.1d-0+deb10u7",
		},
	}
	for _, test := range tests {
		s := subject()
		s.Findings = append(s.Findings, opensslFinding())
		test.change(&s.Findings[0])
		s.Findings[1].Severity = advisory.SeverityHigh
		got := rule(t, "severity: low").Evaluate(s, now()).Violations
		if len(got) != 2 || got[0].Detail != test.want {
			t.Errorf("detail %q, want %q", got[0].Detail, test.want)
		}
		if want := "libssl1.1 1.1.1d-0+deb10u6: CVE-2021-3711 (high), fixed in 1.1.1d-0+deb10u7"; got[1].Detail != want {
			t.Errorf("second detail %q, want %q", got[1].Detail, want)
		}
	}
}

func TestExemptImages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ref  string
		want string // pattern
	}{
		{"registry.k8s.io/pause:3.9", "registry.k8s.io/pause:*"},
		{"registry.k8s.io/pause", "registry.k8s.io/pause:*"},
		{"registry.k8s.io/pause@" + digest, "registry.k8s.io/pause:*"},
		{"k8s.gcr.io/pause:3.1", "k8s.gcr.io/pause:*"},
		{"602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/pause:3.5", "602401143452.dkr.ecr.*.amazonaws.com/eks/pause:*"},
		{"registry.k8s.io/pause/x:3.9", ""},
		{"evil.io/registry.k8s.io/pause:3.9", ""},
		{"pause:3.9", ""},
		{"nginx:1.19", ""},
		{"602401143452.dkr.ecr.evil.io/x.amazonaws.com/eks/pause:3.5", ""},
		{"602401143452.dkr.ecr.x.s3.eu-west-1.amazonaws.com/eks/pause:1", ""}, // a bucket that anybody can make
		{"Not A Reference", ""},
	}
	for _, test := range tests {
		s := subject()
		s.Reference = test.ref
		s.Outcome = policy.OutcomeUnscannable
		p := builtIn(t, "1")
		got := p.Evaluate(s, now())
		pattern, ok := p.ExemptsImage(test.ref)
		if pattern != test.want || ok != (test.want != "") {
			t.Errorf("%s: exempt by %q, want %q", test.ref, pattern, test.want)
		}
		if !ok {
			if got.Verdict != policy.VerdictDeny {
				t.Errorf("%s: %+v, want deny", test.ref, got)
			}
			continue
		}
		if got.Verdict != policy.VerdictAllow || !got.Allowed || len(got.Warnings)+len(got.Violations)+len(got.Unknown) > 0 ||
			len(got.Exempted) != 1 || got.Exempted[0].Reason != "exempt image pattern "+test.want {
			t.Errorf("%s: %+v, want allow with one note", test.ref, got)
		}
	}
}

func TestImagePatterns(t *testing.T) {
	t.Parallel()
	other := "sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		pattern, ref string
		want         bool
	}{
		{"docker.io/nginx", "nginx", true},
		{"docker.io/library/nginx", "nginx:1.19", true},
		{"docker.io/library/nginx:1.*", "nginx:1.19", true},
		{"docker.io/library/nginx:1.*", "nginx:2.0", false},
		{"docker.io/library/nginx:latest", "nginx", true},
		// Runtimes pull the digest and never look at the tag, which could therefore say anything.
		{"docker.io/library/nginx:1.*", "nginx:1.19@" + other, false},
		{"docker.io/library/nginx@" + digest, "nginx:1.19", true}, // resolved to it
		{"docker.io/library/nginx@" + digest, "nginx@" + digest, true},
		{"docker.io/library/nginx@" + other, "nginx:1.19", false},
		{"docker.io/library/*", "nginx", true},
		{"docker.io/*", "nginx", false},
		{"docker.io/**", "nginx", true},
		{"**", "quay.io/a/b/c:1", true},
		{"**/nginx", "quay.io/a/nginx:1", true},
		{"*.example.com/a", "eu.example.com/a:1", true},
		{"*.example.com/a", "x.eu.example.com/a:1", false},
		{"**.example.com/a", "x.eu.example.com/a:1", true},
		{"*/a", "localhost:5000/a:1", true},
		{"*/a", "quay.io/a:1", false},
		{"quay.io/*/x", "quay.io/a.b/x:1", true}, // dots mean nothing in a path
		{"docker.io/library/nginx:1.*", "nginx:1.19.2", true},
		{"localhost:5000/a:1", "localhost:5000/a:1", true},
		{"localhost/a", "localhost/a", true},
		{"ghcr.io/a.b", "ghcr.io/axb", false},
	}
	for _, test := range tests {
		p := load(t, "{id: t, name: T, rules: [{severity: high}], exemptImages: ['"+test.pattern+"']}")
		s := subject()
		s.Reference = test.ref
		if got := p.Evaluate(s, now()).Verdict == policy.VerdictAllow; got != test.want {
			t.Errorf("%s covers %s: %v, want %v", test.pattern, test.ref, got, test.want)
		}
	}
}

func TestPolicyThatWasNotPrepared(t *testing.T) {
	t.Parallel()
	got := (&policy.Policy{ID: "x"}).Evaluate(subject(), now())
	if got.Allowed || got.Verdict != policy.VerdictUnknown || got.Unknown[0].Cause != "policy x was not prepared" {
		t.Errorf("got %+v, want a denial for a policy that was not prepared", got)
	}
}

// TestEvaluateConcurrently: one policy serves all reviews at once.
func TestEvaluateConcurrently(t *testing.T) {
	t.Parallel()
	p := load(t, "{id: t, name: T, maxFeedAge: 1h, rules: [{cel: 'finding.cvss > 9.0 && image.tag == \"1.19\"'}, {severity: low}], exemptions: [{package: x, reason: r, owner: o}]}")
	want := p.Evaluate(subject(), now())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if got := p.Evaluate(subject(), now()); !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
		})
	}
	group.Wait()
}

func TestCombine(t *testing.T) {
	t.Parallel()
	allow := policy.Result{Verdict: policy.VerdictAllow, Allowed: true, Warnings: []string{"w"}}
	unknown := policy.Result{Verdict: policy.VerdictUnknown, Allowed: true, Unknown: []policy.Unknown{{Cause: "c"}}, Warnings: []string{"w"}}
	deny := builtIn(t, "1").Evaluate(subject(), now())
	tests := []struct {
		in      []policy.Result
		verdict policy.Verdict
		allowed bool
	}{
		{nil, policy.VerdictAllow, true},
		{[]policy.Result{allow, allow}, policy.VerdictAllow, true},
		{[]policy.Result{unknown, allow}, policy.VerdictUnknown, true},
		{[]policy.Result{allow, deny, unknown}, policy.VerdictDeny, false},
		{[]policy.Result{{}}, policy.VerdictUnknown, false}, // a result without a verdict is no allowance
	}
	for i, test := range tests {
		got := policy.Combine(test.in...)
		if got.Verdict != test.verdict || got.Allowed != test.allowed || len(got.Warnings) > 1 {
			t.Errorf("%d: %+v, want %s, %v and no warning twice", i, got, test.verdict, test.allowed)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	s := policy.Subject{Reference: "nginx:1.19", Digest: digest, Outcome: policy.OutcomeScanned, FeedDate: now()}
	for i := range 300 { // worst first, then by id, as reports are
		f := opensslFinding()
		f.ID = fmt.Sprintf("CVE-2021-%04d", i)
		f.Severity = advisory.Severity(5 - i/60)
		s.Findings = append(s.Findings, f)
	}
	shuffled := s
	shuffled.Findings = slices.Clone(s.Findings)
	rand.New(rand.NewPCG(1, 2)).Shuffle(300, func(i, j int) {
		shuffled.Findings[i], shuffled.Findings[j] = shuffled.Findings[j], shuffled.Findings[i]
	})
	set, err := policy.NewSet(policy.BuiltInOptions{MaxFeedAge: policy.Duration(7 * 24 * time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	set, err = set.Load(strings.NewReader(`policies:
- {id: all, name: All violate, rules: [{cvss: 1}]}
- {id: exempt, name: Exempt, rules: [{severity: high}], exemptions: [{package: zlib, reason: r, owner: o}]}
- {id: cel, name: CEL, rules: [{cel: "finding.cvss >= 9.9 || finding.severity == 'none'"}]}
`), "bench.yaml")
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range []string{"1", "2", "3", "all", "exempt", "cel"} {
		p, _ := set.Get(id)
		b.Run(id, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(s, now())
			}
		})
		b.Run(id+"/shuffled", func(b *testing.B) {
			for b.Loop() {
				p.Evaluate(shuffled, now())
			}
		})
	}
}
