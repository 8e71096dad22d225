package webhook_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/webhook"
)

const (
	day  = 24 * time.Hour
	name = "runecast-nginx.runecast.svc"
)

// levels gives the levels of findings, and their texts one a line.
func levels(findings []webhook.Finding) (list, texts string) {
	var all, lines []string
	for _, f := range findings {
		all, lines = append(all, string(f.Level)), append(lines, f.Text)
	}
	return strings.Join(all, " "), strings.Join(lines, "\n")
}

func TestJudgeCertificate(t *testing.T) {
	t.Parallel()
	ca, other := certificate(t, &blueprint{name: "CA", ca: true}), certificate(t, &blueprint{name: "other", ca: true})
	between := certificate(t, &blueprint{name: "between", ca: true, by: ca})
	deadCA := certificate(t, &blueprint{name: "dead CA", ca: true, until: now().Add(-day)})
	issue := func(b blueprint) *signed {
		if b.by == nil {
			b.by = ca
		}
		b.name = "leaf"
		return certificate(t, &b)
	}
	good := issue(blueprint{names: []string{"runecast-nginx", name}})
	self := certificate(t, &blueprint{name: "self", names: []string{name}, ca: true})
	for what, c := range map[string]struct {
		presented []*x509.Certificate
		bundle    []*x509.Certificate
		want      string
		texts     []string
	}{
		"good":              {chain(good, ca), chain(ca), "ok", []string{`"leaf"`, "verifies for " + name, "365 days; names runecast-nginx, " + name}},
		"without its CA":    {chain(good), chain(ca), "ok", nil},
		"by two":            {chain(good), chain(other, ca), "ok", nil},
		"an intermediate":   {chain(issue(blueprint{names: []string{name}, by: between}), between), chain(ca), "ok", nil},
		"one that lacks":    {chain(issue(blueprint{names: []string{name}, by: between})), chain(ca), "problem", []string{`its issuer "between" is not in it`}},
		"another CA":        {chain(good, ca), chain(other), "problem", []string{`its issuer "CA" is not in it or not valid`}},
		"a wildcard":        {chain(issue(blueprint{names: []string{"*.runecast.svc"}})), chain(ca), "ok", nil},
		"another name":      {chain(issue(blueprint{names: []string{"runecast-nginx.other.svc"}})), chain(ca), "problem", []string{"is not valid for " + name, "its names are runecast-nginx.other.svc"}},
		"no name":           {chain(issue(blueprint{})), chain(ca), "problem", []string{"its names are none"}},
		"expired":           {chain(issue(blueprint{names: []string{name}, until: now().Add(-49 * time.Hour)})), chain(ca), "problem", []string{"expired on 2026-11-29, 2 days ago"}},
		"of the future":     {chain(issue(blueprint{names: []string{name}, from: now().Add(time.Hour)})), chain(ca), "problem", []string{"is valid only from 2026-12-01T13:00:00Z on"}},
		"soon":              {chain(issue(blueprint{names: []string{name}, until: now().Add(20 * day)})), chain(ca), "problem", []string{"in 20 days: its renewal is due"}},
		"by a dead CA":      {chain(issue(blueprint{names: []string{name}, by: deadCA})), chain(deadCA), "problem", []string{"expired"}},
		"all wrong":         {chain(issue(blueprint{until: now().Add(-49 * time.Hour)})), chain(other), "problem problem problem", nil},
		"the leaf itself":   {chain(good), chain(good.Certificate), "ok risk", []string{"a renewal breaks the webhook"}},
		"its own CA":        {chain(self), chain(self), "ok risk", nil},
		"nothing presented": {nil, chain(ca), "problem", []string{"presents none"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			list, texts := levels(webhook.JudgeCertificate(c.presented, webhook.EncodeBundle(c.bundle...), name, now(), 21*day))
			if list != c.want {
				t.Errorf("levels %s, want %s: %s", list, c.want, texts)
			}
			for _, text := range c.texts {
				if !strings.Contains(texts, text) {
					t.Errorf("want %q in %s", text, texts)
				}
			}
		})
	}
	if list, texts := levels(webhook.JudgeCertificate(chain(good), []byte("-----BEGIN"), name, now(), 0)); list != "problem" {
		t.Errorf("by a broken bundle: %s", texts)
	}
	// With no bundle the system's roots count, and none of them knows this CA.
	if list, texts := levels(webhook.JudgeCertificate(chain(good), nil, name, now(), 0)); list != "problem" {
		t.Errorf("without a bundle: %s", texts)
	}
}

// chain takes certificates with and without their keys.
func chain(list ...any) []*x509.Certificate {
	var certificates []*x509.Certificate
	for _, one := range list {
		switch c := one.(type) {
		case *signed:
			certificates = append(certificates, c.Certificate)
		case *x509.Certificate:
			certificates = append(certificates, c)
		}
	}
	return certificates
}

func TestInspectBundle(t *testing.T) {
	t.Parallel()
	ca := certificate(t, &blueprint{name: "CA", ca: true})
	dead := certificate(t, &blueprint{name: "dead", ca: true, until: now().Add(-49 * time.Hour)})
	soon := certificate(t, &blueprint{name: "soon", ca: true, until: now().Add(3 * day)})
	future := certificate(t, &blueprint{name: "future", ca: true, from: now().Add(day)})
	leaf := certificate(t, &blueprint{name: "leaf", by: ca})
	for what, c := range map[string]struct {
		bundle []byte
		want   string
		text   string
	}{
		"a CA":           {webhook.EncodeBundle(chain(ca)...), "ok", `CA "CA" (serial `},
		"none":           {nil, "risk", "its own system's roots"},
		"no PEM":         {[]byte("text"), "problem", "it holds no PEM certificate"},
		"broken":         {[]byte("-----BEGIN"), "problem", "cannot be read"},
		"a leaf":         {webhook.EncodeBundle(chain(leaf)...), "risk", "is no CA"},
		"dead":           {webhook.EncodeBundle(chain(dead)...), "problem", "2 days ago"},
		"dead and alive": {webhook.EncodeBundle(chain(dead, ca)...), "risk ok", "2 days ago"},
		"soon":           {webhook.EncodeBundle(chain(soon)...), "problem", "in 3 days"},
		"soon and later": {webhook.EncodeBundle(chain(soon, ca)...), "risk ok", "in 3 days"},
		"soon and dead":  {webhook.EncodeBundle(chain(soon, dead)...), "problem problem", "in 3 days"},
		"not yet":        {webhook.EncodeBundle(chain(future)...), "problem", "is valid only from"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			list, texts := levels(webhook.InspectBundle(c.bundle, now(), 21*day))
			if list != c.want || !strings.Contains(texts, c.text) {
				t.Errorf("levels %s, want %s: %s", list, c.want, texts)
			}
		})
	}
}
