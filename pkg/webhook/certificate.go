package webhook

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Level says how much a Finding matters.
type Level string

// Levels of findings.
const (
	LevelOK      Level = "ok"
	LevelRisk    Level = "risk"    // works, and may surprise
	LevelProblem Level = "problem" // does not work, will soon not, or could not be found out
)

// Finding is one thing that was looked at.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // what was looked at, in a word
	Text  string `json:"text"`
}

// named names certificates to a person.
func named(certificates ...*x509.Certificate) string {
	names := make([]string, 0, len(certificates))
	for _, c := range certificates {
		name := cmp.Or(c.Subject.CommonName, c.Subject.String(), strings.Join(c.DNSNames, ", "), "no name")
		names = append(names, fmt.Sprintf("%q (serial %s)", name, serial(c)))
	}
	return strings.Join(names, ", ")
}

// serial is the beginning of a certificate's serial number, enough to tell it from others of its name.
func serial(c *x509.Certificate) string {
	const digits = 8
	text := c.SerialNumber.Text(16)
	if len(text) > digits {
		text = text[:digits] + "…"
	}
	return text
}

func inForce(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

func days(d time.Duration) int { return int(d / day) }

// validity says in words when a certificate is not valid now, or nothing.
func validity(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return fmt.Sprintf("expired on %s, %d days ago", c.NotAfter.UTC().Format(time.DateOnly), days(now.Sub(c.NotAfter)))
	case now.Before(c.NotBefore):
		return "is valid only from " + c.NotBefore.UTC().Format(time.RFC3339) + " on"
	default:
		return ""
	}
}

// bundleWarning says what is odd about a certificate in a caBundle, or nothing.
func bundleWarning(c *x509.Certificate, now time.Time) string {
	if v := validity(c, now); v != "" {
		return fmt.Sprintf("certificate %s of caBundle %s", named(c), v)
	}
	if !c.IsCA {
		return fmt.Sprintf("certificate %s of caBundle is no CA: it is believed until the server's certificate is renewed, and no longer", named(c))
	}
	return ""
}

// InspectBundle looks at a caBundle by itself. A certificate that has less than soon left is a problem, or a risk where another one
// lasts longer.
func InspectBundle(bundle []byte, now time.Time, soon time.Duration) []Finding {
	const check = "caBundle"
	certificates, err := ParseBundle(bundle)
	if err == nil && len(bundle) > 0 && len(certificates) == 0 {
		err = errors.New("it holds no PEM certificate")
	}
	if err != nil {
		return []Finding{{LevelProblem, check, "cannot be read: " + err.Error()}}
	}
	if len(certificates) == 0 {
		return []Finding{{LevelRisk, check, "is empty: the API server believes its own system's roots alone, which are not looked at here"}}
	}
	lasting := slices.ContainsFunc(certificates, func(c *x509.Certificate) bool { return inForce(c, now.Add(soon)) && inForce(c, now) })
	var findings []Finding
	for _, c := range certificates {
		text := bundleWarning(c, now)
		level := LevelRisk
		switch left := c.NotAfter.Sub(now); {
		case text == "" && left < soon:
			text = fmt.Sprintf("certificate %s of caBundle expires on %s, in %d days", named(c), c.NotAfter.UTC().Format(time.DateOnly), days(left))
			fallthrough
		case !inForce(c, now):
			if !lasting {
				level = LevelProblem
			}
		case text == "":
			level, text = LevelOK, fmt.Sprintf("CA %s, valid until %s, %d days", named(c), c.NotAfter.UTC().Format(time.DateOnly), days(left))
		}
		findings = append(findings, Finding{level, check, text})
	}
	return findings
}

// JudgeCertificate looks at what a server presents (the leaf, then what it sent with it) as the API server does: by the caBundle, or
// the system's roots where that is empty, and for the name that the API server calls the server by. A leaf that has less than soon left
// is a problem.
func JudgeCertificate(presented []*x509.Certificate, bundle []byte, serverName string, now time.Time, soon time.Duration) []Finding {
	const check = "certificate"
	if len(presented) == 0 {
		return []Finding{{LevelProblem, check, "the server presents none"}}
	}
	leaf := presented[0]
	var findings []Finding
	problem := func(format string, args ...any) {
		findings = append(findings, Finding{LevelProblem, check, fmt.Sprintf(format, args...)})
	}
	if err := leaf.VerifyHostname(serverName); err != nil {
		problem("%s is not valid for %s, the name that the API server calls: its names are %s", named(leaf), serverName, cmp.Or(strings.Join(Names(leaf), ", "), "none"))
	}
	left := leaf.NotAfter.Sub(now)
	switch v := validity(leaf, now); {
	case v != "":
		problem("%s %s", named(leaf), v)
	case left < soon:
		problem("%s expires on %s, in %d days: its renewal is due", named(leaf), leaf.NotAfter.UTC().Format(time.DateOnly), days(left))
	}
	roots, rootsErr := pool(bundle)
	chain := errors.Join(rootsErr, verify(presented, roots, now))
	if chain != nil {
		problem("%s does not verify by caBundle, as its issuer %q is not in it or not valid: %v", named(leaf), leaf.Issuer.CommonName, chain)
	}
	if certificates, err := ParseBundle(bundle); err == nil && Contains(certificates, leaf) {
		findings = append(findings, Finding{LevelRisk, check, "caBundle holds the server's own certificate: a renewal breaks the webhook unless its CA is there too"})
	}
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Level == LevelProblem }) {
		ok := fmt.Sprintf("%s verifies for %s, valid until %s, %d days; names %s",
			named(leaf), serverName, leaf.NotAfter.UTC().Format(time.DateOnly), days(left), strings.Join(Names(leaf), ", "))
		findings = append([]Finding{{LevelOK, check, ok}}, findings...)
	}
	return findings
}

// verify checks the chain alone: of a leaf that is not valid now it asks at a time when it was, since that is told elsewhere.
func verify(presented []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	leaf := presented[0]
	at := now
	if now.After(leaf.NotAfter) {
		at = leaf.NotAfter
	} else if now.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	intermediates := x509.NewCertPool()
	for _, c := range presented[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at})
	return err //nolint:wrapcheck // it becomes a text
}

// pool gives the roots of a bundle; nil, which stands for the system's, of an empty one.
func pool(bundle []byte) (*x509.CertPool, error) {
	if len(bundle) == 0 {
		return nil, nil //nolint:nilnil // as x509 has it
	}
	certificates, err := ParseBundle(bundle)
	roots := x509.NewCertPool()
	for _, c := range certificates {
		roots.AddCert(c)
	}
	return roots, err
}

// Names are the names and addresses that a certificate is valid for.
func Names(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}
