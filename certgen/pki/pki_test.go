package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/certgen/pki"
)

const day = 24 * time.Hour

// start is when the tests' certificates are made. Certificates count in whole seconds.
func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func authority(t *testing.T, generation int) pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(generation, start(), 3650*day)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func names(t *testing.T, more ...string) pki.Names {
	t.Helper()
	n, err := pki.NewNames("runecast", "cluster.local", []string{"runecast-nginx"}, more, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func key(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	serials := map[string]bool{}
	for generation := 1; generation <= 20; generation++ {
		a := authority(t, generation)
		c := a.Certificate
		if serials[c.SerialNumber.String()] || c.SerialNumber.Sign() <= 0 || c.SerialNumber.BitLen() > 128 {
			t.Errorf("serial number %s comes twice, is not positive or has %d bits", c.SerialNumber, c.SerialNumber.BitLen())
		}
		serials[c.SerialNumber.String()] = true
		switch {
		case !c.NotBefore.Equal(start().Add(-pki.Backdate)):
			t.Errorf("it begins at %s", c.NotBefore)
		case !c.NotAfter.Equal(start().Add(3650 * day)):
			t.Errorf("it ends at %s", c.NotAfter)
		case !c.IsCA || c.MaxPathLen != 1 || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign:
			t.Errorf("CA %t, path length %d, key usage %b", c.IsCA, c.MaxPathLen, c.KeyUsage)
		case !pki.IsOurs(c):
			t.Error("it is not told to be ours")
		case a.Check(start()) != "":
			t.Error(a.Check(start()))
		}
		if k, ok := a.Key.(*ecdsa.PrivateKey); !ok || k.Curve != elliptic.P256() {
			t.Errorf("the key is a %T", a.Key)
		}
	}
	if one, two := authority(t, 1).Certificate, authority(t, 1).Certificate; one.Subject.CommonName == two.Subject.CommonName {
		t.Errorf("two CAs are called %q", one.Subject.CommonName)
	}
}

func TestAuthorityCheck(t *testing.T) {
	t.Parallel()
	good, other := authority(t, 1), authority(t, 2)
	leaf, err := pki.Leaf{Names: names(t), Validity: 90 * day}.Issue(good, good.Key, start())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		authority pki.Authority
		at        time.Time
		want      string
	}{
		"good":           {good, start(), ""},
		"nothing":        {pki.Authority{}, start(), "there is no CA certificate"},
		"no key":         {pki.Authority{Certificate: good.Certificate}, start(), "there is no CA key"},
		"key of another": {pki.Authority{Certificate: good.Certificate, Key: other.Key}, start(), "the CA's key does not belong to its certificate"},
		"a leaf":         {pki.Authority{Certificate: leaf, Key: good.Key}, start(), "the CA certificate is not of a CA"},
		"too early":      {good, start().Add(-2 * time.Hour), "the CA is not valid before 2026-03-01T11:00:00Z"},
		"an hour early":  {good, start().Add(-pki.Backdate), ""},
		"over":           {good, start().Add(3651 * day), "the CA ended at 2036-02-27T12:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.authority.Check(c.at); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			if _, err := (pki.Leaf{Names: names(t), Validity: day}).Issue(c.authority, key(t), c.at); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a leaf of it: %v", err)
			}
		})
	}
}

func TestCrossSign(t *testing.T) {
	t.Parallel()
	older, newer := authority(t, 1), authority(t, 2)
	cross, err := pki.CrossSign(newer.Certificate, older, start())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := pki.Leaf{Names: names(t), Validity: 90 * day}.Issue(newer, key(t), start())
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []*x509.Certificate{older.Certificate, newer.Certificate} {
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(root)
		between.AddCert(cross)
		between.AddCert(newer.Certificate)
		if _, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: "runecast-nginx.runecast.svc", CurrentTime: start()}); err != nil {
			t.Errorf("a caller that trusts %q: %v", root.Subject.CommonName, err)
		}
	}
	if !cross.MaxPathLenZero || cross.MaxPathLen != 0 {
		t.Errorf("the cross-signed CA may sign CAs: path length %d", cross.MaxPathLen)
	}
	if pki.IsOurs(cross) {
		t.Error("a cross-signed CA is taken for a root")
	}
	if _, err = pki.CrossSign(newer.Certificate, pki.Authority{Certificate: older.Certificate}, start()); err == nil {
		t.Error("it was signed without a key")
	}
	short, err := pki.NewAuthority(3, start(), 10*day)
	if err != nil {
		t.Fatal(err)
	}
	if cross, err = pki.CrossSign(newer.Certificate, short, start()); err != nil || !cross.NotAfter.Equal(short.Certificate.NotAfter) {
		t.Errorf("signed by a CA that ends first, it ends at %s, %v", cross.NotAfter, err)
	}
}

func TestIssue(t *testing.T) {
	t.Parallel()
	ca := authority(t, 1)
	leaf, err := pki.Leaf{Names: names(t, "runecast.example.com"), Validity: 90 * day}.Issue(ca, key(t), start())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"localhost", "runecast-nginx", "runecast-nginx.runecast", "runecast-nginx.runecast.svc", "runecast-nginx.runecast.svc.cluster.local", "runecast.example.com"}
	if !slices.Equal(leaf.DNSNames, want) {
		t.Errorf("names %q, want %q", leaf.DNSNames, want)
	}
	if len(leaf.IPAddresses) != 2 || !slices.ContainsFunc(leaf.IPAddresses, net.IPv6loopback.Equal) || !slices.ContainsFunc(leaf.IPAddresses, net.IPv4(127, 0, 0, 1).Equal) {
		t.Errorf("addresses %v", leaf.IPAddresses)
	}
	if !leaf.NotBefore.Equal(start().Add(-time.Hour)) || !leaf.NotAfter.Equal(start().Add(90*day)) || leaf.IsCA || leaf.SerialNumber.Sign() <= 0 {
		t.Errorf("from %s to %s, CA %t, serial number %s", leaf.NotBefore, leaf.NotAfter, leaf.IsCA, leaf.SerialNumber)
	}
	late := ca.Certificate.NotAfter.Add(-day)
	if leaf, err = (pki.Leaf{Names: names(t), Validity: 90 * day}).Issue(ca, key(t), late); err != nil || !leaf.NotAfter.Equal(ca.Certificate.NotAfter) {
		t.Errorf("a day before the end of its CA: ends at %s, %v", leaf.NotAfter, err)
	}
}

// TestLeafCheck changes one thing at a time.
func TestLeafCheck(t *testing.T) {
	t.Parallel()
	ca, other, k := authority(t, 1), authority(t, 2), key(t)
	asked := pki.Leaf{Names: names(t), Validity: 90 * day}
	leaf, err := asked.Issue(ca, k, start())
	if err != nil {
		t.Fatal(err)
	}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	due := leaf.NotBefore.Add(life * 2 / 3)
	if got := pki.RenewalTime(leaf); got.Sub(due).Abs() > time.Second {
		t.Errorf("it is to be renewed at %s, want %s", got, due)
	}
	more := asked
	more.Names = names(t, "one.example.com")
	longer := asked
	longer.Validity = 91 * day
	for name, c := range map[string]struct {
		asked pki.Leaf
		key   crypto.Signer
		ca    *x509.Certificate
		at    time.Time
		want  string
	}{
		"good":               {asked, k, ca.Certificate, start(), ""},
		"just before due":    {asked, k, ca.Certificate, due.Add(-2 * time.Second), ""},
		"due":                {asked, k, ca.Certificate, due.Add(2 * time.Second), "two thirds of the certificate's life are over"},
		"over":               {asked, k, ca.Certificate, leaf.NotAfter.Add(time.Second), "the certificate ended at"},
		"a clock far behind": {asked, k, ca.Certificate, start().Add(-2 * time.Hour), "the certificate is not valid before"},
		"another key":        {asked, key(t), ca.Certificate, start(), "the certificate is not of the private key"},
		"another CA":         {asked, k, other.Certificate, start(), "the certificate is not signed by the CA"},
		"one name more":      {more, k, ca.Certificate, start(), "the certificate is for other names"},
		"a longer validity":  {longer, k, ca.Certificate, start(), "the certificate has another validity"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.asked.Check(leaf, c.key, c.ca, c.at); (c.want == "" && got != "") || !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := asked.Check(ca.Certificate, ca.Key, ca.Certificate, start()); got != "the certificate is not one for a TLS server" {
		t.Errorf("of a CA as serving certificate: %q", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  crypto.Signer
		good bool
	}{"P-256": {key(t), true}, "P-384": {p384, false}, "RSA": {rsaKey, false}, "Ed25519": {ed, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := pki.EncodeKey(c.key)
			if err != nil {
				t.Fatal(err)
			}
			if block, rest := pem.Decode(encoded); block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
				t.Fatal("it is not PEM of PKCS#8")
			}
			decoded, err := pki.DecodeKey(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if k, ok := decoded.Public().(interface{ Equal(x crypto.PublicKey) bool }); !ok || !k.Equal(c.key.Public()) {
				t.Error("another key came back")
			}
			if reason := pki.CheckKey(decoded); (reason == "") != c.good {
				t.Errorf("as serving key: %q", reason)
			}
			if _, err = pki.DecodeKey(encoded[:len(encoded)/2]); err == nil || strings.Contains(err.Error(), string(encoded[40:60])) {
				t.Errorf("of half a key: %v", err)
			}
		})
	}
}

func TestNewNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		namespace, domain string
		more              []string
		want              []string // in the error
	}{
		"no domain":      {"runecast", "", nil, nil},
		"twice the same": {"runecast", "cluster.local", []string{"localhost", "localhost"}, nil},
		"a wildcard":     {"runecast", "cluster.local", []string{"*.example.com"}, nil},
		"all the faults": {"run_cast", "cluster.local", []string{"UPPER.example.com", "a..b", "*", "http://x"}, []string{`"UPPER.example.com"`, `"a..b"`, `"*"`, `"http://x"`, `"runecast-nginx.run_cast"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := pki.NewNames(c.namespace, c.domain, []string{"runecast-nginx"}, c.more, []net.IP{net.IPv4(127, 0, 0, 1)})
			for _, part := range c.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not tell of %s", err, part)
				}
			}
			if len(c.want) == 0 && err != nil {
				t.Error(err)
			}
			if !slices.IsSorted(n.DNS) || len(slices.Compact(slices.Clone(n.DNS))) != len(n.DNS) || len(n.Addresses) != 2 {
				t.Errorf("names %q, addresses %v: want each once, sorted", n.DNS, n.Addresses)
			}
		})
	}
}
