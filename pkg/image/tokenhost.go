package image

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// A registry answers the first request with the address of a server that gives tokens for credentials, its realm
// (https://distribution.github.io/distribution/spec/auth/token/), and may name any. Docker Hub's, index.docker.io, names
// auth.docker.io, GitLab's registry.gitlab.com names gitlab.com; most name themselves. Whoever answers for a registry must not
// collect its credentials elsewhere, so they go to the registry's own host, over TLS to hosts of the same registrable domain
// (https://publicsuffix.org), and to those that Options.TokenHosts names for this registry.

// parseTokenHosts reads Options.TokenHosts into a set of "registry=host".
func parseTokenHosts(pairs []string) (map[string]bool, error) {
	known := map[string]bool{}
	var errs []error
	for _, pair := range pairs {
		registry, host, ok := strings.Cut(strings.ToLower(strings.TrimSpace(pair)), "=")
		if !ok || registry == "" || host == "" || strings.ContainsAny(pair, "/ @") {
			errs = append(errs, fmt.Errorf("registryTokenHosts: %q is not of the form registry.example=tokens.example", pair))
			continue
		}
		known[registry+"="+host] = true
	}
	return known, errors.Join(errs...)
}

// permitCredentials refuses requests that would carry credentials to a host that has no right to them.
func (g *guard) permitCredentials(req *http.Request) error {
	asked, known := req.Context().Value(registryKey{}).(string)
	if !known || strings.EqualFold(asked, req.URL.Host) || !carriesCredentials(req) {
		return nil
	}
	from, to := strings.ToLower(hostname(asked)), strings.ToLower(req.URL.Hostname())
	pair := strings.ToLower(asked + "=" + req.URL.Host)
	if from == to || req.URL.Scheme == "https" && (sameDomain(from, to) || g.tokenHosts[pair]) {
		return nil
	}
	return &forbidden{text: fmt.Sprintf("it wants its credentials sent to %s; if that is right, write %s into the setting registryTokenHosts", req.URL.Host, pair)}
}

// carriesCredentials tells the two forms of asking for a token: a password in the header, or an identity token in the body,
// which a redirect can lead on. Bearer tokens are good for their registry alone, and given to it alone.
func carriesCredentials(req *http.Request) bool {
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	return req.Method == http.MethodPost || strings.EqualFold(scheme, "basic")
}

// sameDomain holds for names under one domain that was registered with a known registry of names. Where nobody registers
// names, as under cluster.local, only the same host is the same.
func sameDomain(a, b string) bool {
	domain := func(host string) string {
		host = strings.TrimSuffix(host, ".")
		if _, err := netip.ParseAddr(host); err == nil {
			return ""
		}
		suffix, icann := publicsuffix.PublicSuffix(host)
		if !icann && !strings.Contains(suffix, ".") {
			return ""
		}
		domain, err := publicsuffix.EffectiveTLDPlusOne(host)
		if err != nil || slices.Contains([]string{"azurecr.io", "azurecr.cn", "azurecr.us", "jfrog.io", "pkg.dev", "amazonaws.com"}, domain) {
			return "" // a registry for each customer, which https://publicsuffix.org does not list; each gives its own tokens
		}
		return domain
	}
	of := domain(a)
	return of != "" && of == domain(b)
}
