package oidc

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	requestTimeout = 10 * time.Second // of each request to the provider
	maxAnswer      = 1 << 20          // bytes of an answer of the provider
	maxSecretFile  = 4 << 10          // bytes
	maxCAFile      = 1 << 20          // bytes
	// defaultName is the claim that names the user where none is set; Core's section 5.1 has it among the standard claims.
	defaultName   = "preferred_username"
	defaultGroups = "groups"
	emailClaim    = "email"
)

// Options are the settings of a Provider.
type Options struct {
	Issuer           string   // https URL, as the provider itself has it
	ClientID         string   // as it is registered at the provider
	ClientSecretFile string   // file of the client's secret, read at each login; "": a public client, which proves itself by PKCE alone
	RedirectURL      string   // where the provider sends the browser back; registered there too
	Scopes           []string // beside openid; default profile and email
	NameClaim        string   // claim that names the user; default preferred_username. An e-mail address must be a verified one
	GroupsClaim      string   // claim with the user's groups; default groups

	AdministratorGroups []string // who is in one of them is an Administrator
	ReadOnlyGroups      []string // who is in one of them, and in none of the former, may read

	CAFiles []string           // PEM files of authorities that the provider's certificate may be signed by beside the system's
	Now     func() time.Time   // default time.Now
	Log     logrus.FieldLogger // required
}

// Check names everything that is wrong with the settings, without asking anybody.
func (o *Options) Check() error {
	var problems []error
	if u, err := url.Parse(o.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		problems = append(problems, fmt.Errorf("issuer: %q is no URL such as https://login.example.com/realms/main", o.Issuer))
	}
	if o.ClientID == "" {
		problems = append(problems, errors.New("clientId: it is missing: register a client at the provider"))
	}
	if !strings.HasPrefix(o.RedirectURL, "https://") {
		problems = append(problems, errors.New("publicUrl is needed: the provider sends browsers back there"))
	}
	if len(o.AdministratorGroups) == 0 && len(o.ReadOnlyGroups) == 0 {
		problems = append(problems, errors.New("administratorGroups, readOnlyGroups: without a group nobody can log in"))
	}
	for name, list := range map[string][]string{"administratorGroups": o.AdministratorGroups, "readOnlyGroups": o.ReadOnlyGroups} {
		if slices.Contains(list, "") {
			problems = append(problems, fmt.Errorf("%s: a group without a name", name))
		}
	}
	return errors.Join(problems...)
}

// client makes the client that asks the provider: in time, by TLS, for answers of a bounded length. It follows no redirect, as none is due.
func (o *Options) client() (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	for _, name := range o.CAFiles {
		content, err := readFile(name, maxCAFile)
		if err != nil {
			return nil, err
		}
		if !roots.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("%s: there is no PEM certificate in it", name)
		}
	}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: requestTimeout, MaxIdleConns: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
	}
	return &http.Client{
		Transport: bounded{transport}, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// bounded fails the reading of an answer that is too long.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("the provider names %q, which is not https", r.URL.Scheme+"://"+r.URL.Host)
	}
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, err //nolint:wrapcheck // the client wraps it
}

// secret reads the client's secret, which may be changed while the server runs.
func (o *Options) secret() (string, error) {
	if o.ClientSecretFile == "" {
		return "", nil
	}
	content, err := readFile(o.ClientSecretFile, maxSecretFile)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fmt.Errorf("%s is empty", o.ClientSecretFile)
	}
	return secret, nil
}

func readFile(name string, most int64) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file and the operation
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file and the operation
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return content, nil
}
