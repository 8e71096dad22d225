package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/policy"
)

func TestUnusableDeniesAll(t *testing.T) {
	t.Parallel()
	p := policy.Unusable("shop", "", "rules[0].nonsense: unknown\nkey")
	if p.NeedsScan() || p.Revision() != "" || p.ReadOnly() || p.Unusable() == "" {
		t.Errorf("%+v", p)
	}
	for _, s := range []policy.Subject{subject(), {Reference: "registry.k8s.io/pause:3.9", Outcome: policy.OutcomeScanned}, {}} {
		r := p.Evaluate(s, now())
		if r.Allowed || r.Verdict != policy.VerdictUnknown || len(r.Unknown) != 1 || r.Unknown[0].Action != policy.ActionDeny {
			t.Fatalf("%q: %+v", s.Reference, r)
		}
		text := policy.DenialMessage(p, []policy.ImageResult{{Reference: s.Reference, Result: r}})
		if !strings.Contains(text, "policy shop cannot be used: rules[0].nonsense: unknown key") || !strings.Contains(text, "an administrator must correct") {
			t.Error(text)
		}
	}
}

func TestWithExemptions(t *testing.T) {
	t.Parallel()
	p := builtIn(t, "2")
	if same, err := p.WithExemptions(); err != nil || same != p {
		t.Errorf("%v", err)
	}
	e := policy.Exemption{IDs: []string{"CVE-2021-3711"}, Reason: "not reachable", Owner: "shop", Expires: "2026-05-01T18:00:00Z"}
	with, err := p.WithExemptions(e)
	if err != nil {
		t.Fatal(err)
	}
	if with.Revision() == p.Revision() || with.Source != policy.SourceBuiltIn || len(p.Exemptions) != 0 {
		t.Errorf("%+v %+v", with, p)
	}
	// It ends by the clock, without a reload.
	for at, allowed := range map[time.Time]bool{now(): true, now().Add(6*time.Hour - time.Second): true, now().Add(6 * time.Hour): false} {
		if r := with.Evaluate(subject(), at); r.Allowed != allowed {
			t.Errorf("at %s: %+v", at, r)
		}
	}
	if p.Evaluate(subject(), now()).Allowed {
		t.Error("the policy that was given has the exemption")
	}
	if _, err := p.WithExemptions(policy.Exemption{}); err == nil {
		t.Error("an empty exemption was taken")
	}
}

func TestExemptionCheck(t *testing.T) {
	t.Parallel()
	good := policy.Exemption{Package: "openssl", Reason: "why", Owner: "who", Expires: "2026-12-31"}
	if err := good.Check(); err != nil || !good.End().Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v %v", err, good.End())
	}
	bad := policy.Exemption{Image: "a b", Expires: "tomorrow", IDs: []string{""}}
	err := bad.Check()
	if err == nil || !bad.End().IsZero() {
		t.Fatal(err)
	}
	for _, text := range []string{"reason: is missing", "owner: is missing", "image: ", `expires: "tomorrow" is no date`, "ids[0]: "} {
		if !strings.Contains("\n"+err.Error(), "\n"+text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	if err := (&policy.Exemption{Reason: "x", Owner: "y"}).Check(); err == nil || err.Error() != "covers too much: give at least one of ids, package and image" {
		t.Error(err)
	}
}

func TestPatternOf(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"nginx": "docker.io/library/nginx:latest", "nginx:1.19": "docker.io/library/nginx:1.19", "127.0.0.1:5000/a/b:1": "127.0.0.1:5000/a/b:1",
		"shop/web@" + digest: "docker.io/shop/web@" + digest, "!!": "", "": "",
	} {
		got := policy.PatternOf(ref)
		if got != want {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
		if e := (policy.Exemption{Image: got, Reason: "r", Owner: "o"}); want != "" && e.Check() != nil {
			t.Errorf("%q is no pattern: %v", got, e.Check())
		}
	}
	if words := (&policy.Rule{Name: "x", CVSS: 7}).Words(); !strings.Contains(words, "7") {
		t.Error(words)
	}
}
