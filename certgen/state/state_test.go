package state_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

const day = 24 * time.Hour

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func authority(tb testing.TB, generation int) pki.Authority {
	tb.Helper()
	a, err := pki.NewAuthority(generation, start(), 3650*day)
	must(tb, err)
	return a
}

// serving gives a serving Secret as certgen writes it.
func serving(tb testing.TB, ca pki.Authority) *corev1.Secret {
	tb.Helper()
	names, err := pki.NewNames("runecast", "cluster.local", []string{"runecast-nginx"}, nil, nil)
	must(tb, err)
	key, err := pki.NewKey()
	must(tb, err)
	leaf, err := pki.Leaf{Names: names, Validity: 90 * day}.Issue(ca, key, start())
	must(tb, err)
	s := state.Serving{Leaf: leaf, Intermediates: []*x509.Certificate{ca.Certificate}, Key: key, Bundle: []*x509.Certificate{ca.Certificate}, Renewals: 3, Asked: "now"}
	secret := &corev1.Secret{}
	must(tb, s.Write(secret))
	return secret
}

// same compares two states: certificates and keys by what they are, all else as it is.
func same(a, b *state.CA) bool {
	plain := func(c state.CA) state.CA {
		c.Current, c.Next, c.Cross, c.NextCross, c.Previous = pki.Authority{}, pki.Authority{}, nil, nil, nil
		c.Retired = append([]string{}, c.Retired...)
		return c
	}
	keys := func(a, b crypto.Signer) bool {
		if a == nil || b == nil {
			return a == b
		}
		k, ok := a.(interface {
			Equal(x crypto.PrivateKey) bool
		})
		return ok && k.Equal(b)
	}
	return reflect.DeepEqual(plain(*a), plain(*b)) && keys(a.Current.Key, b.Current.Key) && keys(a.Next.Key, b.Next.Key) &&
		a.Current.Certificate.Equal(b.Current.Certificate) && a.Next.Certificate.Equal(b.Next.Certificate) &&
		a.Cross.Equal(b.Cross) && a.NextCross.Equal(b.NextCross) && a.Previous.Equal(b.Previous)
}

func TestCARoundTrip(t *testing.T) {
	t.Parallel()
	one, two := authority(t, 1), authority(t, 2)
	cross, err := pki.CrossSign(two.Certificate, one, start())
	must(t, err)
	retired := strings.Split(strings.Repeat("ab,", 20), ",")[:20]
	for name, c := range map[string]state.CA{
		"idle":               {Current: one, Generation: 1},
		"idle, cross-signed": {Current: two, Cross: cross, Generation: 2, Request: "second", Retired: []string{state.Fingerprint(one.Certificate)}},
		"asked":              {Current: one, Generation: 1, Asked: "now"},
		"expand":             {Current: one, Next: two, NextCross: cross, Phase: state.Expand, Since: start(), Expanded: start().Add(time.Nanosecond), Generation: 2},
		"expand, no key":     {Current: pki.Authority{Certificate: one.Certificate}, Next: two, Phase: state.Expand, Since: start(), Generation: 2},
		"switch":             {Current: two, Cross: cross, Previous: one.Certificate, Phase: state.Switch, Since: start(), Generation: 2},
		"contract":           {Current: two, Cross: cross, Previous: one.Certificate, Phase: state.Contract, Since: start(), Generation: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{}
			secret.Annotations, secret.Data = map[string]string{"a": "b"}, map[string][]byte{"x": []byte("y")}
			must(t, c.Write(secret))
			read, err := state.ReadCA(secret)
			if err != nil || !same(&read, &c) {
				t.Errorf("read %+v, %v; want %+v", read, err, c)
			}
			if secret.Annotations["a"] != "b" || string(secret.Data["x"]) != "y" {
				t.Error("what somebody else put there is gone")
			}
			// The state that follows leaves nothing of this one.
			must(t, (&state.CA{Current: one, Generation: 9}).Write(secret))
			if read, err = state.ReadCA(secret); err != nil || !same(&read, &state.CA{Current: one, Generation: 9}) {
				t.Errorf("after it the idle state is %+v, %v", read, err)
			}
		})
	}
	secret := &corev1.Secret{}
	must(t, (&state.CA{Current: one, Retired: retired}).Write(secret))
	if read, err := state.ReadCA(secret); err != nil || len(read.Retired) != 8 {
		t.Errorf("of 20 retired CAs %d are remembered, %v; want 8", len(read.Retired), err)
	}
}

func TestKeyRoundTrip(t *testing.T) {
	t.Parallel()
	one, err := state.NewKey()
	must(t, err)
	two, err := state.NewKey()
	must(t, err)
	for name, c := range map[string]struct {
		key    state.Key
		inPath string
	}{
		"idle":     {state.Key{Current: one}, one},
		"asked":    {state.Key{Current: one, Asked: "x"}, one},
		"expand":   {state.Key{Current: two, Previous: one, Phase: state.Expand, Since: start()}, one},
		"switch":   {state.Key{Current: two, Previous: one, Phase: state.Switch, Since: start()}, two},
		"contract": {state.Key{Current: two, Previous: one, Phase: state.Contract, Since: start()}, two},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{}
			c.key.Write(secret)
			read, err := state.ReadKey(secret)
			if err != nil || read != c.key || read.InPath() != c.inPath || read.Check() != "" {
				t.Errorf("read %+v, %v, good: %q", read, err, read.Check())
			}
		})
	}
}

func TestKeyCheck(t *testing.T) {
	t.Parallel()
	good, err := state.NewKey()
	must(t, err)
	for name, text := range map[string]string{
		"empty": "", "short": good[:62], "long": good + "00", "capitals": strings.Repeat("AB", 32), "newline": good + "\n", "base64url": strings.Repeat("a_", 32),
	} {
		key := state.Key{Current: text}
		if reason := key.Check(); reason == "" || (text != "" && strings.Contains(reason, text)) {
			t.Errorf("%s: %q", name, reason)
		}
	}
	if reason := (&state.Key{Current: good}).Check(); reason != "" {
		t.Errorf("a good one: %s", reason)
	}
}

func TestUnknownPhase(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{}
	secret.Name, secret.Annotations = "runecast-ca", map[string]string{state.AnnotationPhase: "merge"}
	_, caErr := state.ReadCA(secret)
	_, keyErr := state.ReadKey(secret)
	for _, err := range []error{caErr, keyErr} {
		if err == nil || !strings.Contains(err.Error(), `"merge"`) || !strings.Contains(err.Error(), "runecast-ca") {
			t.Errorf("got %v", err)
		}
	}
}

func TestDamagedAnnotations(t *testing.T) {
	t.Parallel()
	secret := &corev1.Secret{}
	must(t, (&state.CA{Current: authority(t, 1), Phase: state.Contract, Since: start(), Expanded: start(), Generation: 2}).Write(secret))
	for name := range maps.Clone(secret.Annotations) {
		if name != state.AnnotationPhase {
			secret.Annotations[name] = "-7 weeks ago"
		}
	}
	c, err := state.ReadCA(secret)
	if err != nil || !c.Since.IsZero() || !c.Expanded.IsZero() || c.Generation != 0 {
		t.Errorf("read %+v, %v; want times that are not begun", c, err)
	}
}

// TestDamagedCA reads CA Secrets that are damaged: what cannot be read is not there, and Check names it.
func TestDamagedCA(t *testing.T) {
	t.Parallel()
	one, two := authority(t, 1), authority(t, 2)
	encoded, err := pki.EncodeKey(two.Key)
	must(t, err)
	for name, c := range map[string]struct {
		damage func(data map[string][]byte)
		want   string
	}{
		"none":              {func(map[string][]byte) {}, ""},
		"truncated":         {func(d map[string][]byte) { d["tls.crt"] = d["tls.crt"][:200] }, "there is no CA certificate"},
		"DER":               {func(d map[string][]byte) { d["tls.crt"] = one.Certificate.Raw }, "there is no CA certificate"},
		"empty":             {func(d map[string][]byte) { d["tls.crt"] = nil }, "there is no CA certificate"},
		"a key as crt":      {func(d map[string][]byte) { d["tls.crt"] = d["tls.key"] }, "there is no CA certificate"},
		"truncated key":     {func(d map[string][]byte) { d["tls.key"] = d["tls.key"][:100] }, "there is no CA key"},
		"a certificate":     {func(d map[string][]byte) { d["tls.key"] = d["tls.crt"] }, "there is no CA key"},
		"another's key":     {func(d map[string][]byte) { d["tls.key"] = encoded }, "the CA's key does not belong to its certificate"},
		"another's CA":      {func(d map[string][]byte) { d["tls.crt"] = webhook.EncodeBundle(two.Certificate) }, "the CA's key does not belong to its certificate"},
		"a line before":     {func(d map[string][]byte) { d["tls.crt"] = append([]byte("our CA\n"), d["tls.crt"]...) }, ""},
		"Windows line ends": {func(d map[string][]byte) { d["tls.crt"] = bytes.ReplaceAll(d["tls.crt"], []byte("\n"), []byte("\r\n")) }, ""},
		"several, first ours": {func(d map[string][]byte) {
			d["tls.crt"] = append(d["tls.crt"], webhook.EncodeBundle(two.Certificate)...)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{}
			must(t, (&state.CA{Current: one}).Write(secret))
			c.damage(secret.Data)
			ca, err := state.ReadCA(secret)
			must(t, err)
			if got := ca.Current.Check(start()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestSigner finds who vouches for a leaf that may be in use.
func TestSigner(t *testing.T) {
	t.Parallel()
	ca, other := authority(t, 1), authority(t, 2)
	for name, c := range map[string]struct {
		change func(s *state.Serving)
		at     time.Time
		others []*x509.Certificate
		want   bool
	}{
		"good":                    {func(*state.Serving) {}, start(), nil, true},
		"no leaf":                 {func(s *state.Serving) { s.Leaf = nil }, start(), nil, false},
		"no key":                  {func(s *state.Serving) { s.Key = nil }, start(), nil, false},
		"key that does not fit":   {func(s *state.Serving) { s.Key = other.Key }, start(), nil, false},
		"over":                    {func(*state.Serving) {}, start().Add(91 * day), nil, false},
		"not begun":               {func(*state.Serving) {}, start().Add(-day), nil, false},
		"the CA nowhere":          {func(s *state.Serving) { s.Bundle, s.Intermediates = nil, nil }, start(), nil, false},
		"the CA in ca.crt alone":  {func(s *state.Serving) { s.Intermediates = nil }, start(), nil, true},
		"the CA in tls.crt alone": {func(s *state.Serving) { s.Bundle = nil }, start(), nil, true},
		"the CA known otherwise":  {func(s *state.Serving) { s.Bundle, s.Intermediates = nil, nil }, start(), []*x509.Certificate{nil, other.Certificate, ca.Certificate}, true},
		"another CA":              {func(s *state.Serving) { s.Bundle, s.Intermediates = []*x509.Certificate{other.Certificate}, nil }, start(), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := state.ReadServing(serving(t, ca))
			c.change(&s)
			if got := s.Signer(c.at, c.others...); (got != nil) != c.want || (got != nil && !got.Equal(ca.Certificate)) {
				t.Errorf("got %v, want the CA: %t", got, c.want)
			}
		})
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	ca, other := authority(t, 1), authority(t, 2)
	for name, c := range map[string]struct {
		change func(data map[string][]byte)
		want   []*x509.Certificate
		err    string
	}{
		"ca.crt":               {func(d map[string][]byte) { d["ca.crt"] = webhook.EncodeBundle(other.Certificate) }, []*x509.Certificate{other.Certificate}, ""},
		"chain with CA":        {func(d map[string][]byte) { delete(d, "ca.crt") }, []*x509.Certificate{ca.Certificate}, ""},
		"empty ca.crt":         {func(d map[string][]byte) { d["ca.crt"] = nil }, []*x509.Certificate{ca.Certificate}, ""},
		"leaf alone":           {func(d map[string][]byte) { delete(d, "ca.crt"); d["tls.crt"] = firstBlock(d["tls.crt"]) }, nil, "put the CA into ca.crt"},
		"nothing":              {func(d map[string][]byte) { clear(d) }, nil, "put the CA into ca.crt"},
		"truncated ca.crt":     {func(d map[string][]byte) { d["ca.crt"] = d["ca.crt"][:100] }, nil, "ca.crt of Secret mine"},
		"private key in chain": {func(d map[string][]byte) { delete(d, "ca.crt"); d["tls.crt"] = append(d["tls.crt"], d["tls.key"]...) }, nil, `"PRIVATE KEY"`},
		"its own root":         {func(d map[string][]byte) { delete(d, "ca.crt"); d["tls.crt"] = webhook.EncodeBundle(ca.Certificate) }, []*x509.Certificate{ca.Certificate}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := serving(t, ca)
			secret.Name = "mine"
			c.change(secret.Data)
			roots, err := state.Roots(secret)
			if (err == nil) != (c.err == "") || (err != nil && !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			if !bytes.Equal(webhook.EncodeBundle(roots...), webhook.EncodeBundle(c.want...)) {
				t.Errorf("got %d roots, want %d", len(roots), len(c.want))
			}
		})
	}
}

func firstBlock(bundle []byte) []byte {
	end := []byte("-----END CERTIFICATE-----\n")
	before, _, _ := bytes.Cut(bundle, end)
	return append(bytes.Clone(before), end...)
}
