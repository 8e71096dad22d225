package webhook_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/webhook"
)

// goldenKey is the review key of the golden files.
const goldenKey = "5f1c0f6a2b7d4e9c8a3b5d7f9e1c2a4b6d8f0a1c3e5b7d9f1a2c4e6b8d0f2a4c"

func now() time.Time { return time.Date(2026, time.December, 1, 12, 0, 0, 0, time.UTC) }

func goldenCA(t *testing.T) []byte {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join("testdata", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func service() webhook.Service {
	return webhook.Service{Namespace: "runecast", Name: "runecast-nginx"}
}

// goldenSpecs are the configurations of testdata/generate, by the name of their file.
func goldenSpecs(t *testing.T) map[string]webhook.Spec {
	t.Helper()
	ca := goldenCA(t)
	one := []webhook.Guard{{Policy: "2"}}
	return map[string]webhook.Spec{
		"url":            {Guards: one, URL: "https://runecast.domain.local", CABundle: ca, ReleaseNamespace: "runecast"},
		"url-public":     {Guards: one, URL: "https://runecast.example.com:8443/gate/"},
		"url-key":        {Guards: one, URL: "https://runecast.domain.local", CABundle: ca, Key: goldenKey},
		"service":        {Guards: one, Service: service(), CABundle: ca},
		"service-key":    {Guards: one, Service: service(), CABundle: ca, Key: goldenKey},
		"service-no-ca":  {Guards: one, Service: service(), Port: 443, CAElsewhere: true},
		"all-namespaces": {Guards: one, Service: service(), CABundle: ca, AllNamespaces: true, Exclude: []string{"calico-system", "kube-system", "cert-manager"}},
		"ignore":         {Name: "gate", Guards: one, Service: service(), CABundle: ca, FailurePolicy: "Ignore", TimeoutSeconds: 30, ReleaseNamespace: "security"},
		"several": {Service: service(), CABundle: ca, Guards: []webhook.Guard{
			{Policy: "2"}, {Policy: "5"}, {Policy: "shop", Webhook: "shop.example.com", Labels: []webhook.Label{{Key: "team", Value: "shop"}, {Key: "stage", Value: "prod"}}},
		}},
	}
}

// TestGenerateGolden compares whole files. RUNECAST_UPDATE_GOLDEN=1 writes them anew.
func TestGenerateGolden(t *testing.T) {
	t.Parallel()
	specs := goldenSpecs(t)
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var texts [2][]byte
			for i := range texts {
				c, _, err := webhook.Generate(spec, now())
				if err != nil {
					t.Fatal(err)
				}
				if texts[i], err = webhook.Encode(c); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(texts[0], texts[1]) {
				t.Error("the same spec gave other bytes")
			}
			file := filepath.Join("testdata", "generate", name+".yaml")
			if os.Getenv("RUNECAST_UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, texts[0], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(texts[0], want) {
				t.Errorf("%s is not\n%s", file, texts[0])
			}
		})
	}
	files, err := os.ReadDir(filepath.Join("testdata", "generate"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := specs[strings.TrimSuffix(f.Name(), ".yaml")]; !known {
			t.Errorf("no test has the golden file %s", f.Name())
		}
	}
}

// TestGenerateRefuses changes one thing of a good spec at a time.
func TestGenerateRefuses(t *testing.T) {
	t.Parallel()
	ca := goldenCA(t)
	expired := webhook.EncodeBundle(certificate(t, &blueprint{name: "old CA", ca: true, until: now().Add(-49 * time.Hour)}).Certificate)
	future := webhook.EncodeBundle(certificate(t, &blueprint{name: "new CA", ca: true, from: now().Add(time.Hour)}).Certificate)
	const secret = "hunter2"
	for name, c := range map[string]struct {
		change func(*webhook.Spec)
		want   string
	}{
		"no policy":         {func(s *webhook.Spec) { s.Guards = nil }, "name at least one policy"},
		"empty policy":      {func(s *webhook.Spec) { s.Guards = []webhook.Guard{{}} }, "a policy has no id"},
		"capitals":          {func(s *webhook.Spec) { s.Guards = []webhook.Guard{{Policy: "Shop"}} }, `policy id "Shop" cannot stand in the path of a Service`},
		"underscore":        {func(s *webhook.Spec) { s.Guards = []webhook.Guard{{Policy: "team_a"}} }, `policy id "team_a" cannot stand in the path of a Service`},
		"slash":             {func(s *webhook.Spec) { byURL(s); s.Guards = []webhook.Guard{{Policy: "a/b"}} }, `policy id "a/b" cannot stand in a path`},
		"no target":         {func(s *webhook.Spec) { s.Service = webhook.Service{} }, "one of the two"},
		"two targets":       {func(s *webhook.Spec) { s.URL = "https://runecast.domain.local" }, "one of the two"},
		"plain HTTP":        {func(s *webhook.Spec) { byURL(s); s.URL = "http://runecast.domain.local" }, "by TLS alone"},
		"no scheme":         {func(s *webhook.Spec) { byURL(s); s.URL = "runecast.domain.local:9080" }, "by TLS alone"},
		"no host":           {func(s *webhook.Spec) { byURL(s); s.URL = "https:///path" }, "by TLS alone"},
		"user information":  {func(s *webhook.Spec) { byURL(s); s.URL = "https://me:" + secret + "@runecast.domain.local" }, "user information"},
		"a query":           {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast.domain.local?key=" + secret }, "a query or a fragment"},
		"an empty query":    {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast.domain.local?" }, "a query or a fragment"},
		"a fragment":        {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast.domain.local#" + secret }, "a query or a fragment"},
		"no URL":            {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast\x7f/" + secret }, "cannot be parsed"},
		"the path":          {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast.domain.local" + webhook.ReviewPath("2", "") }, "path of reviews already"},
		"the URL's port":    {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast.domain.local:70000" }, "port 70000"},
		"time-out too long": {func(s *webhook.Spec) { s.TimeoutSeconds = 31 }, "31 s: API servers take 1 to 30"},
		"negative time-out": {func(s *webhook.Spec) { s.TimeoutSeconds = -1 }, "-1 s: API servers take 1 to 30"},
		"failure policy":    {func(s *webhook.Spec) { s.FailurePolicy = "fail" }, `"fail" is neither Fail nor Ignore`},
		"name":              {func(s *webhook.Spec) { s.Name = "Gate" }, `name "Gate"`},
		"webhook name":      {func(s *webhook.Spec) { s.Guards[0].Webhook = "gate" }, `webhook name "gate"`},
		"same names":        {func(s *webhook.Spec) { s.Guards = []webhook.Guard{{Policy: "5"}, {Policy: "5"}} }, "have the same webhook name policy-5.runecast.com"},
		"label key":         {func(s *webhook.Spec) { s.Guards[0].Labels = []webhook.Label{{Key: "a b", Value: "c"}} }, "namespace label a b=c"},
		"label value":       {func(s *webhook.Spec) { s.Guards[0].Labels = []webhook.Label{{Key: "a", Value: "c d"}} }, "namespace label a=c d"},
		"label twice": {func(s *webhook.Spec) {
			s.Guards[0].Labels = []webhook.Label{{Key: "a", Value: "b"}, {Key: "a", Value: "c"}}
		}, "label a is to be both b and c"},
		"namespace":         {func(s *webhook.Spec) { s.Exclude = []string{"kube_public"} }, `namespace "kube_public"`},
		"release namespace": {func(s *webhook.Spec) { s.ReleaseNamespace = "Runecast" }, `namespace "Runecast"`},
		"no CA":             {func(s *webhook.Spec) { s.CABundle = nil }, "no CA is given"},
		"CA and none":       {func(s *webhook.Spec) { s.CAElsewhere = true }, "one of the two"},
		"no PEM":            {func(s *webhook.Spec) { s.CABundle = []byte("ca") }, "there is no PEM certificate in it"},
		"broken PEM":        {func(s *webhook.Spec) { s.CABundle = ca[:len(ca)-30] }, "the CA: a PEM block of the bundle is broken"},
		"expired CA":        {func(s *webhook.Spec) { s.CABundle = expired }, "expired on 2026-11-29, 2 days ago: the API server would refuse every workload"},
		"CA of the future":  {func(s *webhook.Spec) { s.CABundle = future }, "is valid only from 2026-12-01T13:00:00Z on"},
		"review key":        {func(s *webhook.Spec) { s.Key = "HUNTER2_" + secret }, "the review key cannot stand in a path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := webhook.Spec{Guards: []webhook.Guard{{Policy: "2"}}, Service: service(), CABundle: ca}
			c.change(&spec)
			got, _, err := webhook.Generate(spec, now())
			if err == nil || got != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	_, _, err := webhook.Generate(webhook.Spec{URL: "http://x", TimeoutSeconds: 31, FailurePolicy: "no"}, now())
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("not all mistakes at once: %v", err)
	}
}

func byURL(s *webhook.Spec) { s.Service = webhook.Service{}; s.URL = "https://runecast.domain.local" }

// TestGenerateWarns looks at what works and may surprise.
func TestGenerateWarns(t *testing.T) {
	t.Parallel()
	ca := goldenCA(t)
	root := certificate(t, &blueprint{name: "root", ca: true})
	leaf := certificate(t, &blueprint{name: "nginx", by: root})
	old := certificate(t, &blueprint{name: "old", ca: true, until: now().Add(-time.Hour)})
	for name, c := range map[string]struct {
		change func(*webhook.Spec)
		want   []string
	}{
		"nothing":               {func(*webhook.Spec) {}, nil},
		"Fail everywhere":       {func(s *webhook.Spec) { s.AllNamespaces = true }, []string{"failurePolicy Fail for all namespaces"}},
		"Ignore":                {func(s *webhook.Spec) { s.FailurePolicy = "Ignore" }, []string{"failurePolicy Ignore lets workloads in unjudged"}},
		"Ignore everywhere":     {func(s *webhook.Spec) { s.FailurePolicy, s.AllNamespaces = "Ignore", true }, []string{"failurePolicy Ignore"}},
		"leaf alone":            {func(s *webhook.Spec) { s.CABundle = webhook.EncodeBundle(leaf.Certificate) }, []string{`"nginx"`, "is no CA"}},
		"leaf and CA":           {func(s *webhook.Spec) { s.CABundle = webhook.EncodeBundle(leaf.Certificate, root.Certificate) }, []string{"left out of caBundle", `"nginx"`}},
		"an expired CA too":     {func(s *webhook.Spec) { s.CABundle = append(webhook.EncodeBundle(old.Certificate), ca...) }, []string{`"old"`, "expired on 2026-12-01, 0 days ago"}},
		"a short time-out":      {func(s *webhook.Spec) { s.TimeoutSeconds = 2 }, []string{"a timeout of 2 s"}},
		"loopback":              {func(s *webhook.Spec) { byURL(s); s.URL = "https://127.0.0.1:9080" }, []string{"the API server's own machine"}},
		"localhost":             {func(s *webhook.Spec) { byURL(s); s.URL = "https://localhost:9080" }, []string{"the API server's own machine"}},
		"a name of cluster DNS": {func(s *webhook.Spec) { byURL(s); s.URL = "https://runecast-nginx.runecast.svc:9080" }, []string{"cluster's DNS"}},
		"two for the same": {func(s *webhook.Spec) {
			s.AllNamespaces = true
			s.FailurePolicy = "Ignore"
			s.Guards = append(s.Guards, webhook.Guard{Policy: "5"})
		}, []string{"Ignore", "Ignore", "policies 2 and 5 judge the same namespaces"}},
		"two of different ones":  {func(s *webhook.Spec) { s.Guards = append(s.Guards, webhook.Guard{Policy: "5"}) }, nil},
		"capitals in a URL only": {func(s *webhook.Spec) { byURL(s); s.Guards[0].Policy = "Team_A" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := webhook.Spec{Guards: []webhook.Guard{{Policy: "2"}}, Service: service(), CABundle: ca}
			c.change(&spec)
			_, warnings, err := webhook.Generate(spec, now())
			all := strings.Join(warnings, "\n")
			if err != nil || (len(warnings) == 0) != (len(c.want) == 0) {
				t.Errorf("warnings %q, %v", warnings, err)
			}
			for _, text := range c.want {
				if !strings.Contains(all, text) {
					t.Errorf("warnings %q, want %q", warnings, text)
				}
			}
		})
	}
}

func TestParseLabels(t *testing.T) {
	t.Parallel()
	got, err := webhook.ParseLabels("team=shop, policy=p-{policy}", "2")
	if err != nil || len(got) != 2 || got[0] != (webhook.Label{Key: "team", Value: "shop"}) || got[1] != (webhook.Label{Key: "policy", Value: "p-2"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "team", "=shop", "team=shop,"} {
		if _, err := webhook.ParseLabels(text, "2"); err == nil || !strings.Contains(err.Error(), "no key=value") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseService(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		service webhook.Service
		port    int
	}{
		"runecast/runecast-nginx:9080": {service(), 9080},
		"runecast/runecast-nginx":      {service(), 9080},
		"security/gate:443":            {webhook.Service{Namespace: "security", Name: "gate"}, 443},
	} {
		if got, port, err := webhook.ParseService(text); err != nil || got != want.service || port != want.port {
			t.Errorf("%s: %v:%d, %v", text, got, port, err)
		}
	}
	for _, text := range []string{"", "runecast-nginx:9080", "/x:1", "a/:1", "a/b/c:1", "a/b:0", "a/b:65536", "a/b:https", "a/b:", "A/b:1", "a/b_c:1", "https://a/b:1"} {
		if _, _, err := webhook.ParseService(text); err == nil || !strings.Contains(err.Error(), "such as runecast/runecast-nginx:9080") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
