package webhook_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"

	"github.com/runecast/runecast/pkg/webhook"
)

func root(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseBundle(t *testing.T) {
	t.Parallel()
	one, two := root(t, "one"), root(t, "two")
	both := webhook.EncodeBundle(one, two, one)
	for name, c := range map[string]struct {
		bundle []byte
		want   int
		err    string
	}{
		"none":       {nil, 0, ""},
		"each once":  {both, 2, ""},
		"text":       {append([]byte("# ours\n"), both...), 2, ""},
		"cut off":    {both[:len(both)-20], 0, "broken"},
		"a key":      {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), 0, `"PRIVATE KEY"`},
		"no DER":     {append(webhook.EncodeBundle(one), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})...), 0, "certificate 2"},
		"plain text": {[]byte("nothing"), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := webhook.ParseBundle(c.bundle)
			if len(got) != c.want || (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
				t.Errorf("%d certificates, %v", len(got), err)
			}
		})
	}
}

func TestAmend(t *testing.T) {
	t.Parallel()
	one, two, three := root(t, "one"), root(t, "two"), root(t, "three")
	is := func(which ...*x509.Certificate) func(*x509.Certificate) bool {
		return func(c *x509.Certificate) bool { return webhook.Contains(which, c) }
	}
	commented := append([]byte("# ours"), append([]byte("\n"), bytes.TrimSpace(webhook.EncodeBundle(one))...)...)
	for name, c := range map[string]struct {
		bundle  []byte
		add     []*x509.Certificate
		drop    func(*x509.Certificate) bool
		want    []*x509.Certificate
		changed bool
	}{
		"nothing to do":         {webhook.EncodeBundle(two, one), []*x509.Certificate{one, two}, is(three), []*x509.Certificate{two, one}, false},
		"of nothing":            {nil, []*x509.Certificate{one}, nil, []*x509.Certificate{one}, true},
		"one more":              {commented, []*x509.Certificate{two}, nil, []*x509.Certificate{one, two}, true},
		"one less":              {webhook.EncodeBundle(one, two), nil, is(one), []*x509.Certificate{two}, true},
		"what is added is kept": {webhook.EncodeBundle(one, two), []*x509.Certificate{one}, is(one), []*x509.Certificate{one, two}, false},
		"one for another":       {webhook.EncodeBundle(one, three), []*x509.Certificate{two}, is(one), []*x509.Certificate{three, two}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := bytes.Clone(c.bundle)
			got, changed, err := webhook.Amend(c.bundle, c.add, c.drop)
			have, parseErr := webhook.ParseBundle(got)
			if err != nil || parseErr != nil || changed != c.changed || !bytes.Equal(webhook.EncodeBundle(have...), webhook.EncodeBundle(c.want...)) {
				t.Errorf("changed %t, %d certificates, %v, %v", changed, len(have), err, parseErr)
			}
			if !bytes.Equal(c.bundle, before) || (!changed && !bytes.Equal(got, before)) {
				t.Error("the bundle that was given was changed")
			}
			if name == "one more" && !bytes.HasPrefix(got, commented) {
				t.Error("the text between is gone")
			}
		})
	}
	if got, changed, err := webhook.Amend([]byte("-----BEGIN"), []*x509.Certificate{one}, nil); err == nil || changed || string(got) != "-----BEGIN" {
		t.Errorf("of a broken bundle: %q, changed %t, %v", got, changed, err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	plain, keyed := webhook.ReviewPath("2", ""), webhook.ReviewPath("2", "abc")
	if plain != "/rc2/api/v2/k8s-admission-policy-review/policy/2" || keyed != plain+"/key/abc" {
		t.Errorf("%s, %s", plain, keyed)
	}
	if webhook.RedactPath(plain) != plain || webhook.RedactPath(keyed) != plain+"/key/[redacted]" {
		t.Errorf("%s, %s", webhook.RedactPath(plain), webhook.RedactPath(keyed))
	}
}

// configuration has one webhook of each kind: with a policy, without, with a policy id that no path can hold, and one by URL.
func configuration() *admissionregistration.ValidatingWebhookConfiguration {
	c := &admissionregistration.ValidatingWebhookConfiguration{}
	c.Name, c.ResourceVersion = "chart", "7"
	c.Annotations = map[string]string{webhook.PoliciesAnnotation: `{"good.example.com":"2","bad.example.com":"No/Policy","url.example.com":"1"}`}
	for _, name := range []string{"good.example.com", "none.example.com", "bad.example.com", "url.example.com"} {
		w := admissionregistration.ValidatingWebhook{Name: name}
		if name == "url.example.com" {
			w.ClientConfig.URL = new("https://example.com")
		} else {
			w.ClientConfig.Service = &admissionregistration.ServiceReference{Namespace: "runecast", Name: "runecast-nginx"}
		}
		c.Webhooks = append(c.Webhooks, w)
	}
	return c
}

func TestManaged(t *testing.T) {
	t.Parallel()
	c, ca := configuration(), root(t, "ca")
	edits, err := webhook.Managed(c, []*x509.Certificate{ca}, nil, "abc")
	if err == nil || !strings.Contains(err.Error(), `"none.example.com"`) || !strings.Contains(err.Error(), `"No/Policy"`) {
		t.Errorf("got %v", err)
	}
	if len(edits) != 3 || edits[0].Path != webhook.ReviewPath("2", "abc") || edits[1].Path != "" || edits[2].Path != "" || edits[1].CABundle == nil {
		t.Errorf("edits %+v", edits)
	}
	for _, e := range edits {
		c.Webhooks[e.Index].ClientConfig.CABundle = e.CABundle
		if e.Path != "" {
			c.Webhooks[e.Index].ClientConfig.Service.Path = &e.Path
		}
	}
	if edits, _ = webhook.Managed(c, []*x509.Certificate{ca}, nil, "abc"); len(edits) != 0 {
		t.Errorf("again: %+v", edits)
	}
	// A bundle that somebody else keeps stays, also an empty one.
	c.Webhooks[0].ClientConfig.CABundle = nil
	if edits, _ = webhook.Managed(c, nil, nil, ""); len(edits) != 1 || edits[0].CABundle != nil || edits[0].Path != webhook.ReviewPath("2", "") {
		t.Errorf("without roots: %+v", edits)
	}
	// A bundle that nobody can read is replaced; foreign roots stay as long as they are to be kept.
	other := root(t, "other")
	c.Webhooks = c.Webhooks[:1]
	for _, keep := range []bool{true, false} {
		c.Webhooks[0].ClientConfig.CABundle = webhook.EncodeBundle(other)
		edits, err = webhook.Managed(c, []*x509.Certificate{ca}, func(*x509.Certificate) bool { return keep }, "abc")
		got, parseErr := webhook.ParseBundle(edits[0].CABundle)
		if err != nil || parseErr != nil || webhook.Contains(got, other) != keep || !webhook.Contains(got, ca) {
			t.Errorf("keep %t: %d certificates, %v", keep, len(got), err)
		}
	}
	c.Annotations[webhook.PoliciesAnnotation] = "2"
	if _, err = webhook.Managed(c, nil, nil, ""); err == nil || !strings.Contains(err.Error(), webhook.PoliciesAnnotation) {
		t.Errorf("of an annotation that is no object: %v", err)
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	c := configuration()
	patch, err := webhook.Patch(c, []webhook.Edit{{Index: 1, Webhook: "none.example.com", CABundle: []byte("x")}, {Index: 0, Webhook: "good.example.com", Path: "/p"}})
	if err != nil {
		t.Fatal(err)
	}
	var operations []map[string]string
	if err = json.Unmarshal(patch, &operations); err != nil {
		t.Fatal(err)
	}
	want := [][3]string{
		{"replace", "/metadata/resourceVersion", "7"},
		{"test", "/webhooks/1/name", "none.example.com"},
		{"add", "/webhooks/1/clientConfig/caBundle", "eA=="},
		{"test", "/webhooks/0/name", "good.example.com"},
		{"add", "/webhooks/0/clientConfig/service/path", "/p"},
	}
	for i := range max(len(want), len(operations)) {
		if i >= len(want) || i >= len(operations) || [3]string{operations[i]["op"], operations[i]["path"], operations[i]["value"]} != want[i] {
			t.Fatalf("got %+v, want %+v", operations, want)
		}
	}
	c.ResourceVersion = ""
	if _, err = webhook.Patch(c, nil); err == nil {
		t.Error("a patch of what was never read")
	}
}
