package notify

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Type is how a destination is told.
type Type string

// The types.
const (
	TypeWebhook Type = "webhook" // signed JSON (https://www.standardwebhooks.com)
	TypeSlack   Type = "slack"   // an incoming webhook (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)
	TypeEmail   Type = "email"   // SMTP
)

// TLS policies of SMTP.
const (
	TLSStartTLS = "starttls" // the connection is upgraded before anything is sent, or nothing is (RFC 3207)
	TLSImplicit = "implicit" // TLS from the first byte (RFC 8314)
	TLSNone     = "none"     // in the clear, without a login
)

const (
	defaultWindow = time.Hour
	minWindow     = time.Minute
	maxWindow     = 7 * 24 * time.Hour
	defaultLimit  = 100 // notifications an hour
)

// Destination is who is told of what, as the configuration has it. Secrets are in files, which are read each time.
type Destination struct {
	Name       string `koanf:"name"`       // lower-case letters, digits and dashes
	Type       Type   `koanf:"type"`       // webhook, slack or email
	URL        string `koanf:"url"`        // of a webhook
	URLFile    string `koanf:"urlFile"`    // file with the URL, of a webhook or Slack, whose URL is a secret
	SecretFile string `koanf:"secretFile"` // file with a webhook's secret, whsec_ and base64
	CAFile     string `koanf:"caFile"`     // PEM file of authorities beside the system's
	PlainHTTP  bool   `koanf:"plainHttp"`  // the webhook's URL may be of http

	Events     []Kind   `koanf:"events"`     // deny, unknown, warn, flip; default deny and flip
	Policies   []string `koanf:"policies"`   // ids; default all
	Namespaces []string `koanf:"namespaces"` // patterns such as prod-*; default all

	Window     time.Duration `koanf:"window"`     // events of one kind within it become one notification; default 1h
	MaxPerHour int           `koanf:"maxPerHour"` // notifications; the rest is told as a number; default 100

	SMTP SMTP `koanf:"smtp"` // of e-mail
}

// SMTP is how e-mail is sent.
type SMTP struct {
	Address      string   `koanf:"address"`      // host:port of the server
	TLS          string   `koanf:"tls"`          // starttls, implicit or none; default starttls
	Username     string   `koanf:"username"`     // default: no login
	PasswordFile string   `koanf:"passwordFile"` //
	From         string   `koanf:"from"`         // one address
	To           []string `koanf:"to"`           // addresses
}

// Wanted are the kinds that the destination is told of.
func (d *Destination) Wanted() []Kind {
	if len(d.Events) == 0 {
		return []Kind{KindDeny, KindFlip}
	}
	return d.Events
}

func (d *Destination) window() time.Duration {
	if d.Window == 0 {
		return defaultWindow
	}
	return d.Window
}

func (d *Destination) limit() int {
	if d.MaxPerHour == 0 {
		return defaultLimit
	}
	return d.MaxPerHour
}

func (s *SMTP) tls() string {
	if s.TLS == "" {
		return TLSStartTLS
	}
	return s.TLS
}

// validName tells whether a name is a label of RFC 1123 in lower case.
func validName(name string) bool {
	strange := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	return name != "" && len(name) <= 63 && !strings.ContainsFunc(name, strange) && name[0] != '-' && name[len(name)-1] != '-'
}

// Check names everything that is wrong with destinations. It reads no file: a secret that is not there yet is no reason for a server
// not to start.
func Check(destinations []Destination) error {
	var errs []error
	seen := map[string]bool{}
	for i := range destinations {
		d := &destinations[i]
		for _, err := range d.faults() {
			errs = append(errs, fmt.Errorf("notifications: %q: %w", d.Name, err))
		}
		if seen[d.Name] {
			errs = append(errs, fmt.Errorf("notifications: there are two of the name %q", d.Name))
		}
		seen[d.Name] = true
	}
	return errors.Join(errs...)
}

func (d *Destination) faults() []error {
	var errs []error
	if !validName(d.Name) {
		errs = append(errs, errors.New("a name has 1 to 63 lower-case letters, digits and dashes"))
	}
	switch d.Type {
	case TypeWebhook:
		errs = append(errs, d.webhookFaults()...)
	case TypeSlack:
		errs = append(errs, d.slackFaults()...)
	case TypeEmail:
		errs = append(errs, d.emailFaults()...)
	default:
		errs = append(errs, fmt.Errorf("type %q is none of webhook, slack, email", d.Type))
	}
	for _, kind := range d.Events {
		if !slices.Contains(Kinds(), kind) {
			errs = append(errs, fmt.Errorf("event %q is none of deny, unknown, warn, flip", kind))
		}
	}
	for _, pattern := range d.Namespaces {
		if _, err := path.Match(pattern, ""); err != nil {
			errs = append(errs, fmt.Errorf("namespaces: %q is no pattern", pattern))
		}
	}
	if d.Window != 0 && (d.Window < minWindow || d.Window > maxWindow) {
		errs = append(errs, fmt.Errorf("window: %s is not between %s and %s", d.Window, minWindow, maxWindow))
	}
	if d.MaxPerHour < 0 {
		errs = append(errs, fmt.Errorf("maxPerHour: %d is negative", d.MaxPerHour))
	}
	return errs
}

func (d *Destination) webhookFaults() []error {
	var errs []error
	if (d.URL == "") == (d.URLFile == "") {
		errs = append(errs, errors.New("a webhook has a url, or a urlFile where the URL is a secret"))
	}
	if d.URL != "" {
		if _, err := parseURL(d.URL, d.PlainHTTP); err != nil {
			errs = append(errs, err)
		}
	}
	if d.SecretFile == "" {
		errs = append(errs, errors.New("a webhook has a secretFile: what it gets is signed"))
	}
	return append(errs, d.noSMTP()...)
}

func (d *Destination) slackFaults() []error {
	var errs []error
	if d.URLFile == "" || d.URL != "" || d.SecretFile != "" || d.PlainHTTP {
		errs = append(errs, errors.New("slack has a urlFile, as the URL is a secret, and neither url, secretFile nor plainHttp"))
	}
	return append(errs, d.noSMTP()...)
}

func (d *Destination) noSMTP() []error {
	if s := d.SMTP; s.Address != "" || s.TLS != "" || s.Username != "" || s.PasswordFile != "" || s.From != "" || len(s.To) > 0 {
		return []error{errors.New("smtp is of e-mail alone")}
	}
	return nil
}

func (d *Destination) emailFaults() []error {
	var errs []error
	s := &d.SMTP
	if host, port, err := net.SplitHostPort(s.Address); err != nil || host == "" || port == "" {
		errs = append(errs, fmt.Errorf("smtp.address: %q is no host:port", s.Address))
	}
	if !slices.Contains([]string{TLSStartTLS, TLSImplicit, TLSNone}, s.tls()) {
		errs = append(errs, fmt.Errorf("smtp.tls: %q is none of starttls, implicit, none", s.TLS))
	}
	errs = append(errs, s.loginFaults()...)
	if len(s.To) == 0 {
		errs = append(errs, errors.New("smtp.to: there is no address"))
	}
	for _, address := range append([]string{s.From}, s.To...) {
		if _, err := mail.ParseAddress(address); err != nil || strings.ContainsAny(address, "\r\n") {
			errs = append(errs, fmt.Errorf("smtp: %q is no address", address))
		}
	}
	if d.URL != "" || d.URLFile != "" || d.SecretFile != "" || d.PlainHTTP {
		errs = append(errs, errors.New("e-mail has neither url, urlFile, secretFile nor plainHttp"))
	}
	return errs
}

func (s *SMTP) loginFaults() []error {
	switch {
	case (s.Username == "") != (s.PasswordFile == ""):
		return []error{errors.New("smtp.username and smtp.passwordFile go together")}
	case s.Username != "" && s.tls() == TLSNone:
		return []error{errors.New("smtp: a password is not sent without TLS")}
	}
	return nil
}

// parseURL reads where a webhook is. Its errors do not have the URL, which may be a secret.
func parseURL(text string, plain bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, errors.New("the URL is not of the form https://host[:port]/path")
	case u.Scheme == "http" && !plain:
		return nil, errors.New("the URL is of http: what is told could be read on the way; plainHttp allows it")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the URL is not of https")
	case u.User != nil:
		return nil, errors.New("the URL has a user name or password: a webhook's secret goes into secretFile")
	case u.Fragment != "":
		return nil, errors.New("the URL has a fragment")
	}
	return u, nil
}
