package app

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/auth/oidc"
	"github.com/runecast/runecast/pkg/web/ui"
)

// What oidc.localLogin may be.
const (
	localAllowed   = "allowed"
	localEmergency = "emergency"
)

// OIDCConfig is how users log in to the pages by an OpenID provider. The flag of a key here is --oidc- and its name in kebab case, the variable RUNECAST_OIDC_….
type OIDCConfig struct {
	Issuer              string   `koanf:"issuer"`              // the provider's https URL, as it writes it itself; default none: passwords alone
	Name                string   `koanf:"name"`                // of the provider, on the button; default the issuer's host
	ClientID            string   `koanf:"clientId"`            // that the provider knows this server by
	ClientSecretFile    string   `koanf:"clientSecretFile"`    // file of the client's secret; default none: PKCE alone
	Scopes              []string `koanf:"scopes"`              // beside openid; default profile, email
	NameClaim           string   `koanf:"nameClaim"`           // names the user; default preferred_username. With email, the address must be verified
	GroupsClaim         string   `koanf:"groupsClaim"`         // has the user's groups; default groups
	AdministratorGroups []string `koanf:"administratorGroups"` // whose members are Administrators
	ReadOnlyGroups      []string `koanf:"readOnlyGroups"`      // whose members may read; who is in no group of either is refused
	CAFiles             []string `koanf:"caFiles"`             // PEM files of authorities for the provider's certificate beside the system's
	LocalLogin          string   `koanf:"localLogin"`          // allowed, or emergency: passwords for administrators alone, at /login?local; default allowed
}

func addOIDCFlags(flags *pflag.FlagSet) {
	flags.String("oidc-issuer", "", "https `URL` of the OpenID provider by which users log in to the pages (default none)")
	flags.String("oidc-name", "", "`name` of the provider, on the button (default the issuer's host)")
	flags.String("oidc-client-id", "", "`id` of the client that is registered at the provider, with the redirect URL <public URL>"+ui.SingleSignOnPath)
	flags.String("oidc-client-secret-file", "", "`file` of the client's secret (default none: PKCE alone)")
	flags.StringSlice("oidc-scopes", nil, "`scopes` that are asked for beside openid (default profile,email)")
	flags.String("oidc-name-claim", "", "`claim` that names the user (default preferred_username)")
	flags.String("oidc-groups-claim", "", "`claim` with the user's groups (default groups)")
	flags.StringSlice("oidc-administrator-groups", nil, "`groups` whose members are Administrators")
	flags.StringSlice("oidc-read-only-groups", nil, "`groups` whose members may read")
	flags.StringSlice("oidc-ca-files", nil, "PEM `files` of authorities for the provider's certificate beside the system's")
	flags.String("oidc-local-login", "", "allowed, or emergency: passwords for administrators alone, at /login?local (default allowed)")
}

// trim takes spaces from the lists, which come from flags and variables as texts.
func (o *OIDCConfig) trim() {
	for _, list := range [][]string{o.Scopes, o.AdministratorGroups, o.ReadOnlyGroups, o.CAFiles} {
		for i := range list {
			list[i] = strings.TrimSpace(list[i])
		}
	}
}

func (o *OIDCConfig) validate(publicURL string) error {
	o.trim()
	if o.Issuer == "" {
		if !reflect.ValueOf(*o).IsZero() {
			return errors.New("oidc: issuer: it is missing, and without it the other settings mean nothing")
		}
		return nil
	}
	var errs []error
	options := o.options(publicURL, nil)
	if err := options.Check(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			errs = append(errs, fmt.Errorf("oidc: %s", line))
		}
	}
	if o.LocalLogin != "" && o.LocalLogin != localAllowed && o.LocalLogin != localEmergency {
		errs = append(errs, fmt.Errorf("oidc: localLogin: %q is neither %s nor %s", o.LocalLogin, localAllowed, localEmergency))
	}
	return errors.Join(errs...)
}

func (o *OIDCConfig) options(publicURL string, log logrus.FieldLogger) oidc.Options {
	return oidc.Options{
		Issuer: o.Issuer, ClientID: o.ClientID, ClientSecretFile: o.ClientSecretFile, RedirectURL: publicURL + ui.SingleSignOnPath, Scopes: o.Scopes,
		NameClaim: o.NameClaim, GroupsClaim: o.GroupsClaim, AdministratorGroups: o.AdministratorGroups, ReadOnlyGroups: o.ReadOnlyGroups, CAFiles: o.CAFiles, Log: log,
	}
}

// singleSignOn makes what lets users log in by the provider; nil where there is none.
func singleSignOn(config *Config, log logrus.FieldLogger) (*ui.SingleSignOn, error) {
	o := &config.OIDC
	if o.Issuer == "" {
		return nil, nil //nolint:nilnil // nobody logs in by a provider
	}
	provider, err := oidc.New(o.options(config.PublicURL, log))
	if err != nil {
		return nil, fmt.Errorf("set up logins by %s: %w", o.Issuer, err)
	}
	name := o.Name
	if name == "" {
		name = strings.TrimPrefix(o.Issuer, "https://")
		name, _, _ = strings.Cut(name, "/")
	}
	return &ui.SingleSignOn{Provider: provider, Name: name, LocalEmergency: o.LocalLogin == localEmergency}, nil
}
