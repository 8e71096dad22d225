package policy_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"go.yaml.in/yaml/v3"

	"github.com/runecast/runecast/pkg/policy"
)

// full uses every key there is.
const full = `
policies:
  - id: 10
    name: Team A
    description: |
      Two lines
      of text
    mode: warn
    onPending: allow
    onUnscannable: warn
    onNoFeed: warn
    onStaleFeed: allow
    maxFeedAge: 1d12h
    exemptImages: []
    rules:
      - severity: HIGH
        unknownSeverity: ignore
        cvss: 7.5
        epss: {probability: 0.1, percentile: 0.9, unknown: ignore}
        fixAge: 14d
        packageTypes: [deb]
      - name: Exploited
        kev: true
        fixAvailable: false
      - ids: [CVE-2021-44228]
        packages: [log4j-core]
        cel: finding.severityRank > 3
      - allowedRegistries: [docker.io/library, '*.example.com']
      - allowedRegistries: []
    exemptions:
      - {ids: [CVE-2021-3711], package: openssl, ecosystem: 'Debian:12', image: 'docker.io/library/*', reason: why, owner: who, expires: 2026-12-31, untilFix: true}
    vex:
      - '@context': https://openvex.dev/ns/v0.2.0
        '@id': https://example.com/vex
        author: Example
        timestamp: 2026-01-01T00:00:00Z
        version: 1
        statements:
          - vulnerability: {name: CVE-2021-3711}
            products: [{'@id': 'pkg:deb/debian/openssl@1.0'}]
            status: fixed
  - id: team-b
    name: Team B
    rules: [{severity: low}]
`

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	set, err := policy.NewSet(policy.BuiltInOptions{AllowedRegistries: []string{"ghcr.io"}})
	if err != nil {
		t.Fatal(err)
	}
	set, err = set.Load(strings.NewReader(full), "full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(set.List()) != 7 {
		t.Fatalf("%d policies, want 7", len(set.List()))
	}
	for _, p := range set.List() {
		for name, marshal := range map[string]func(any) ([]byte, error){"YAML": yaml.Marshal, "JSON": json.Marshal} {
			text, err := marshal(p)
			if err != nil {
				t.Fatalf("policy %s as %s: %v", p.ID, name, err)
			}
			again, err := (&policy.Set{}).Load(strings.NewReader(string(text)), "again")
			if err != nil {
				t.Fatalf("policy %s as %s does not load: %v\n%s", p.ID, name, err, text)
			}
			got := again.List()[0]
			if got.Revision() != p.Revision() || got.Revision() == "" {
				t.Errorf("policy %s as %s: revision %q, want %q\n%s", p.ID, name, got.Revision(), p.Revision(), text)
			}
			if want, have := exported(p), exported(got); !reflect.DeepEqual(want, have) {
				t.Errorf("policy %s as %s: got\n%+v\nwant\n%+v", p.ID, name, have, want)
			}
		}
	}
}

// exported gives a policy's fields without where it came from.
func exported(p *policy.Policy) []any {
	return []any{
		p.ID, p.Name, p.Description, p.Mode, p.Rules, p.OnPending, p.OnUnscannable, p.OnNoFeed, p.OnStaleFeed, p.MaxFeedAge,
		p.ExemptImages, p.Exemptions, p.VEX,
	}
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	p := rule(t, "severity: high")
	if p.Mode != policy.ModeEnforce || p.OnPending != policy.ActionDeny || p.OnUnscannable != policy.ActionDeny || p.OnNoFeed != policy.ActionDeny ||
		p.OnStaleFeed != policy.ActionDeny || p.MaxFeedAge != 0 || !reflect.DeepEqual(p.ExemptImages, policy.DefaultExemptImages()) || p.Source != "test.yaml" || !p.ReadOnly() {
		t.Errorf("defaults are %+v", p)
	}
}

func TestRevisionFollowsContent(t *testing.T) {
	t.Parallel()
	base := rule(t, "severity: high")
	if again := rule(t, "severity: HIGH"); again.Revision() != base.Revision() {
		t.Error("equal policies differ in revision")
	}
	if other := rule(t, "severity: low"); other.Revision() == base.Revision() {
		t.Error("different policies share a revision")
	}
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	_, err := policy.New(&policy.Policy{Mode: "loud", OnPending: "maybe", Rules: []policy.Rule{{CVSS: 11, FixAge: -1}}, MaxFeedAge: -1})
	const want = `id: is missing: give the policy an id, such as 10 or team-a
name: is missing: denials show it to the user
mode: "loud" is none of enforce, warn, audit
onPending: "maybe" is none of deny, warn, allow
rules[0].cvss: 11 is no CVSS score: give one above 0, up to 10
rules[0].fixAge: -1ns is below zero
maxFeedAge: -1ns is below zero`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// in wraps the inside of a policy's mapping, so that its column counts from 28.
func in(body string) string { return "policies: [{id: t, name: T, " + body + "}]" }

// inRule wraps the inside of a rule, whose column counts from 39.
func inRule(body string) string { return in("rules: [{" + body + "}]") }

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"", "f.yaml: holds no policies: write policies: and a list, or policies: [] for none"},
		{"[]", "f.yaml:1:1: must be a mapping with the key policies, not a list"},
		{"x", `f.yaml:1:1: must be a mapping with the key policies, not the text "x"`},
		{"{}", "f.yaml:1:1: holds no policies: write policies: and a list, or policies: [] for none"},
		{"policy: []", "f.yaml:1:1: policy: unknown key; did you mean policies?"},
		{"policies:", "f.yaml:1:10: policies: has no value: give a list or remove the key"},
		{"policies: {}", "f.yaml:1:11: policies: must be a list, not a mapping"},
		{"policies: []\n---\npolicies: []", "f.yaml:2:1: a second YAML document starts here: put all policies into one list"},
		{"policies:\n  a: b: c", "f.yaml:2:1: is no valid YAML: mapping values are not allowed in this context"},
		{"policies: []\n---\n\t", "f.yaml:3:1: is no valid YAML: found character that cannot start any token"},
		{strings.Repeat("#", policy.MaxFile+1), "f.yaml: is larger than 1024 KiB: split it into several files"},
		{"policies: [x]", `f.yaml:1:12: policies[0]: must be a mapping, not the text "x"`},
		{"policies: [&a {id: t, name: T, rules: [{severity: high}]}, *a]", "f.yaml:1:60: policies[1]: is an alias: write the value out"},
		{"policies: [{[a]: b}]", "f.yaml:1:13: policies[0]: has a key that is a list: keys are words"},
		{in("rules: [{severity: high}], rules: []"), "f.yaml:1:56: policies[0].rules: is set a second time: line 1 sets it already"},
		{in("rulez: []"), "f.yaml:1:12: policies[0].rules: a policy needs at least one rule, such as severity: high\nf.yaml:1:29: policies[0].rulez: unknown key; did you mean rules?"},
		{in("rules: [], zzzzzzzzzz: 1"), "f.yaml:1:36: policies[0].rules: a policy needs at least one rule, such as severity: high\nf.yaml:1:40: policies[0].zzzzzzzzzz: unknown key: known are id, name, description, mode, rules, onPending, onUnscannable, onNoFeed, onStaleFeed, onUnknownDistro, onEndOfLife, maxFeedAge, exemptImages, exemptions, vex"},
		{in("rules: {}"), "f.yaml:1:36: policies[0].rules: must be a list, not a mapping"},
		{inRule(""), "f.yaml:1:37: policies[0].rules[0]: has no condition and would match everything: give at least one, such as severity: high"},
		{inRule("name: x"), "f.yaml:1:37: policies[0].rules[0]: has no condition and would match everything: give at least one, such as severity: high"},
		{inRule("severity: hihg"), `f.yaml:1:48: policies[0].rules[0].severity: "hihg" is none of critical, high, medium, low, none; did you mean high?`},
		{inRule("severity: unknown"), `f.yaml:1:48: policies[0].rules[0].severity: "unknown" is none of critical, high, medium, low, none`},
		{inRule("severity: [high]"), "f.yaml:1:48: policies[0].rules[0].severity: must be a text, not a list"},
		{inRule("severity: true"), "f.yaml:1:48: policies[0].rules[0].severity: must be a text, not the truth value true: put it in quotes"},
		{inRule("severity: ''"), "f.yaml:1:48: policies[0].rules[0].severity: is empty: give a value or remove the key"},
		{inRule("severity: high, unknownSeverity: inlcude"), `f.yaml:1:71: policies[0].rules[0].unknownSeverity: "inlcude" is none of include, ignore; did you mean include?`},
		{inRule("kev: true, unknownSeverity: include"), "f.yaml:1:66: policies[0].rules[0].unknownSeverity: says nothing without severity or cvss beside it"},
		{inRule("cvss: 10.1"), "f.yaml:1:44: policies[0].rules[0].cvss: 10.1 is no CVSS score: give one above 0, up to 10"},
		{inRule("cvss: 0"), "f.yaml:1:44: policies[0].rules[0].cvss: must be above 0: remove the key to set no threshold"},
		{inRule("cvss: .nan"), "f.yaml:1:44: policies[0].rules[0].cvss: must be a number, not the number .nan"},
		{inRule("cvss: '7'"), `f.yaml:1:44: policies[0].rules[0].cvss: must be a number, not the text "7"`},
		{inRule("epss: {}"), "f.yaml:1:44: policies[0].rules[0].epss: has no threshold: give probability, percentile or both"},
		{inRule("epss: {percentile: 90}"), "f.yaml:1:57: policies[0].rules[0].epss.percentile: 90 is not between 0 and 1: write 0.9 for 90 percent"},
		{inRule("epss: {probability: 0.1, unknown: no}"), `f.yaml:1:72: policies[0].rules[0].epss.unknown: "no" is none of include, ignore`},
		{inRule("kev: yes"), `f.yaml:1:43: policies[0].rules[0].kev: must be true or false, not the text "yes"`},
		{inRule("fixAge: 2 weeks"), `f.yaml:1:46: policies[0].rules[0].fixAge: "2 weeks" is no duration above zero: write days or hours, such as 7d, 168h or 1d12h`},
		{inRule("fixAge: 0d"), `f.yaml:1:46: policies[0].rules[0].fixAge: "0d" is no duration above zero: write days or hours, such as 7d, 168h or 1d12h`},
		{inRule("fixAge: 7d, fixAvailable: false"), "f.yaml:1:46: policies[0].rules[0].fixAge: contradicts fixAvailable: false: remove one of the two"},
		{inRule("packageTypes: [DEB]"), `f.yaml:1:52: policies[0].rules[0].packageTypes: "DEB" must be lower-case, as in package URLs: deb, apk, rpm, golang, npm, pypi, maven, gem, nuget, composer, cargo`},
		{inRule("packages: []"), "f.yaml:1:48: policies[0].rules[0].packages: is an empty list: name at least one or remove the key"},
		{inRule("ids: [' CVE-1']"), `f.yaml:1:44: policies[0].rules[0].ids[0]: " CVE-1" is empty or has blanks around it`},
		{inRule("cel: finding.sevrity == 'high'"), "f.yaml:1:43: policies[0].rules[0].cel: does not compile: 1:8: undefined field 'sevrity'"},
		{inRule("cel: package.name == 'x'"), "f.yaml:1:43: policies[0].rules[0].cel: does not compile: 1:1: reserved identifier: package; the variable is called pkg, as package is a reserved word of CEL"},
		{inRule("cel: finding.id"), "f.yaml:1:43: policies[0].rules[0].cel: gives a value of type string: it must give a bool"},
		{inRule("allowedRegistries: [nginx]"), `f.yaml:1:58: policies[0].rules[0].allowedRegistries[0]: "nginx" names no registry: write docker.io/library/nginx, or **/nginx for any registry`},
		{inRule("allowedRegistries: ['ghcr.io/a:1']"), `f.yaml:1:58: policies[0].rules[0].allowedRegistries[0]: "ghcr.io/a:1" names a tag or digest: give the registry and repository alone`},
		{inRule("allowedRegistries: ['']"), `f.yaml:1:58: policies[0].rules[0].allowedRegistries[0]: pattern is empty: write registry/repository, such as docker.io/library/nginx`},
		{in("rules: [{kev: true}], mode: enfroce"), `f.yaml:1:57: policies[0].mode: "enfroce" is none of enforce, warn, audit; did you mean enforce?`},
		{in("rules: [{kev: true}], onNoFeed: ignore"), `f.yaml:1:61: policies[0].onNoFeed: "ignore" is none of deny, warn, allow`},
		{in("rules: [{kev: true}], maxFeedAge: 7"), `f.yaml:1:63: policies[0].maxFeedAge: "7" is no duration above zero: write days or hours, such as 7d, 168h or 1d12h`},
		{in("rules: [{kev: true}], exemptImages: [Nginx/X]"), `f.yaml:1:66: policies[0].exemptImages[0]: "Nginx/X" names no registry: write docker.io/Nginx/X, or **/Nginx/X for any registry`},
		{in("rules: [{kev: true}], exemptImages: [ghcr.io]"), `f.yaml:1:66: policies[0].exemptImages[0]: "ghcr.io" names no repository: write ghcr.io/** for all images of that registry`},
		{in("rules: [{kev: true}], exemptImages: ['ghcr.io/a@sha256:1']"), `f.yaml:1:66: policies[0].exemptImages[0]: "ghcr.io/a@sha256:1" has a malformed digest: write @sha256: and 64 hexadecimal digits`},
		{in("rules: [{kev: true}], exemptImages: ['ghcr.io/a b']"), `f.yaml:1:66: policies[0].exemptImages[0]: "ghcr.io/a b" is no image pattern: write lower-case registry/repository, with * for any characters within a component (in the registry, between dots) and ** for any`},
		{in("rules: [{kev: true}], exemptions: [{ids: [CVE-1], owner: o}]"), "f.yaml:1:64: policies[0].exemptions[0].reason: is missing: say why the violation is accepted"},
		{in("rules: [{kev: true}], exemptions: [{ids: [CVE-1], reason: r, owner: ' '}]"), "f.yaml:1:97: policies[0].exemptions[0].owner: is missing: say who answers for the exemption"},
		{in("rules: [{kev: true}], exemptions: [{reason: r, owner: o, ecosystem: Go}]"), "f.yaml:1:64: policies[0].exemptions[0]: covers too much: give at least one of ids, package and image"},
		{in("rules: [{kev: true}], exemptions: [{package: p, reason: r, owner: o, expires: 31.12.2026}]"), `f.yaml:1:107: policies[0].exemptions[0].expires: "31.12.2026" is no date: write 2026-12-31 or 2026-12-31T18:00:00Z`},
		{in("rules: [{kev: true}], vex: [{file: a.json}]"), `f.yaml:1:57: policies[0].vex[0].file: "a.json" is not among the documents given: put the OpenVEX file beside the policy file`},
		{in("rules: [{kev: true}], vex: [{a: 1}]"), `f.yaml:1:57: policies[0].vex[0]: is no OpenVEX document: @context is "", not https://openvex.dev/ns/v0.2.0`},
		{in("rules: [{kev: true}], vex: [x]"), `f.yaml:1:57: policies[0].vex[0]: must be an OpenVEX document, or file: and the name of one, not the text "x"`},
		{"policies: [{name: T, rules: [{kev: true}]}]", "f.yaml:1:12: policies[0].id: is missing: give the policy an id, such as 10 or team-a"},
		{"policies: [{id: a/b, name: T, rules: [{kev: true}]}]", `f.yaml:1:17: policies[0].id: "a/b" is no policy id: use at most 63 letters, digits, dots, dashes and underscores, with a letter or digit at both ends`},
		{`policies: [{id: a, name: "a\nb", rules: [{kev: true}]}]`, "f.yaml:1:26: policies[0].name: must be one line without control characters"},
		{"policies: [{id: a, name: " + strings.Repeat("a", 201) + ", rules: [{kev: true}]}]", "f.yaml:1:26: policies[0].name: has more than 200 characters"},
		{"policies: [{id: 2, name: T, rules: [{kev: true}]}]", `f.yaml:1:17: policies[0].id: "2" is the id of a built-in policy (No critical or high severity vulnerabilities with available fix): choose another`},
		{"policies:\n- {id: a, name: T, rules: [{kev: true}]}\n- {id: a, name: T, rules: [{kev: true}]}", `f.yaml:3:8: policies[1].id: "a" is the id of the policy at line 2 already: choose another`},
	}
	set, err := policy.NewSet(policy.BuiltInOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		_, err := set.Load(strings.NewReader(test.text), "f.yaml")
		if err == nil || err.Error() != test.want {
			t.Errorf("%.200s:\ngot  %v\nwant %s", test.text, err, test.want)
		}
		if typed := new(policy.Error); err != nil && !errors.As(err, &typed) {
			t.Errorf("%.200s: error of type %T", test.text, err)
		}
	}
}

func TestLoadReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	const text = `policies:
  - id: a
    nme: A
    rules:
      - severty: high
      - cel: "1"
  - id: b
    name: B
    mode: off
    rules:
      - {severity: high, fixAge: soon}
    exemptions:
      - {ids: [CVE-1], reason: r}
`
	const want = `f.yaml:2:5: policies[0].name: is missing: denials show it to the user
f.yaml:3:5: policies[0].nme: unknown key; did you mean name?
f.yaml:5:9: policies[0].rules[0].severty: unknown key; did you mean severity?
f.yaml:6:14: policies[0].rules[1].cel: gives a value of type int: it must give a bool
f.yaml:9:11: policies[1].mode: "off" is none of enforce, warn, audit
f.yaml:11:34: policies[1].rules[0].fixAge: "soon" is no duration above zero: write days or hours, such as 7d, 168h or 1d12h
f.yaml:13:9: policies[1].exemptions[0].owner: is missing: say who answers for the exemption`
	_, err := (&policy.Set{}).Load(strings.NewReader(text), "f.yaml")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	many := "policies: [" + strings.Repeat("{},", 200) + "]"
	_, err = (&policy.Set{}).Load(strings.NewReader(many), "f.yaml")
	if typed := new(policy.Error); !errors.As(err, &typed) || len(typed.Problems) != 101 || typed.Problems[100].String() != "f.yaml: … and 500 more mistakes" {
		t.Errorf("600 mistakes give %v", err)
	}
}

// TestLoadBombs: small files that would grow without bound are refused quickly.
func TestLoadBombs(t *testing.T) {
	t.Parallel()
	var laughs strings.Builder
	laughs.WriteString("policies: []\na: &a [x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'j'; c++ {
		fmt.Fprintf(&laughs, "%c: &%c [%s]\n", c, c, strings.Repeat("*"+string(c-1)+",", 9))
	}
	for name, text := range map[string]string{
		"billion laughs": laughs.String(),
		"aliases in VEX": in("rules: [{kev: true}], vex: [{a: &a [x], b: [*a, *a]}]"),
		"itself":         in("rules: [{kev: true}], vex: [&a {a: *a}]"),
		"merge":          "policies: [&a {id: t, name: T, rules: [{kev: true}]}, {<<: *a, id: u}]",
		"deep":           in("rules: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)),
		"deep VEX":       in("rules: [{kev: true}], vex: [{a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}]"),
	} {
		_, err := (&policy.Set{}).Load(strings.NewReader(text), "f.yaml")
		if typed := new(policy.Error); !errors.As(err, &typed) {
			t.Errorf("%s: %v, want a list of mistakes", name, err)
		}
	}
}

func TestLoadReaderFails(t *testing.T) {
	t.Parallel()
	_, err := (&policy.Set{}).Load(iotest.ErrReader(io.ErrUnexpectedEOF), "f.yaml")
	if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != "read policies f.yaml: unexpected EOF" {
		t.Errorf("error %v", err)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"7d": "7d", "168h": "7d", "36h": "1d12h", "1d12h": "1d12h", "90m": "1h30m", "0d1s": "1s", "20m": "20m", "24h0m5s": "1d5s", "10h": "10h"} {
		d, err := policy.ParseDuration(text)
		if err != nil || d.String() != want {
			t.Errorf("%s is %s, %v; want %s", text, d, err, want)
		}
		if again, err := policy.ParseDuration(d.String()); err != nil || again != d {
			t.Errorf("%s reads back as %s, %v", d, again, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-1h", "1d-1h", "7", "99999d", "1d2d", "1.5d", "+1d"} {
		if d, err := policy.ParseDuration(text); err == nil {
			t.Errorf("%q is read as %s", text, d)
		}
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{full, "policies: []", in("rules: [{kev: true}], vex: [{file: a}]"), "a: &a [*a]", "policies: [&a {id: *a}]", "{<<: {id: a}}", "? [a]\n: b", inRule("cel: 'finding.aliases.all(a, a == a)'")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := (&policy.Set{}).Load(strings.NewReader(text), "f.yaml", policy.Document{Name: "a", Content: []byte("{}")})
		if err != nil {
			if typed := new(policy.Error); !errors.As(err, &typed) || len(typed.Problems) == 0 {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		for _, p := range set.List() {
			s := subject()
			got := p.Evaluate(s, now())
			if got.Verdict == policy.VerdictDeny && p.Mode == policy.ModeEnforce && got.Allowed {
				t.Fatalf("a violation is allowed: %+v", got)
			}
			shown, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			again, err := (&policy.Set{}).Load(strings.NewReader(string(shown)), "f.json")
			if err != nil || again.List()[0].Revision() != p.Revision() {
				t.Fatalf("does not load again: %v\n%s", err, shown)
			}
		}
	})
}
