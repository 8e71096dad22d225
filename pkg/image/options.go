package image

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/sirupsen/logrus"
)

// Options are the settings of a Puller. Zero values mean the defaults.
type Options struct {
	Keychain  authn.Keychain    // credentials by registry; default authn.DefaultKeychain, the files of docker login
	Transport http.RoundTripper // default one of our own with the proxy of the environment, which connects to allowed addresses alone
	Resolver  *net.Resolver     // of the default transport; default net.DefaultResolver
	PlainHTTP []string          // hosts, with their port, that may be asked without TLS; allowed loopback addresses always may, private ones not
	UserAgent string            // default "runecast"

	// AllowNetworks names what registries may be at beside public addresses: networks (10.1.0.0/16), addresses, and hosts (name,
	// name:port, *.domain) whatever they resolve to. Link-local addresses and those of clouds' metadata services never are
	// allowed. Default nothing.
	AllowNetworks []string
	ConfigDir     string   // directory of containerd's form, HOST/hosts.toml, with mirrors and certificates of registries; default none
	CAFiles       []string // PEM files of authorities that are believed beside the system's
	TokenHosts    []string // "registry=host": which host beside those of its own domain a registry may have its credentials sent to

	MaxRate        float64 // requests a second to each registry; default no limit
	MaxConnections int     // requests to each registry at a time, until their answers are read; default 64

	ResolveTTL     time.Duration // how long a tag's digest is believed without asking again; default 30 s
	ResolveTimeout time.Duration // of all requests for one manifest together, retries included; default 30 s

	MaxImageBytes        int64 // compressed bytes of all layers of an image; default 20 GiB
	MaxLayerBytes        int64 // compressed bytes of a layer; default 10 GiB
	MaxUncompressedBytes int64 // uncompressed bytes of a layer; default 32 GiB
	MaxRatio             int64 // uncompressed by compressed bytes of a layer, once 64 MiB have come out of it; default 200

	Attempts      int           // requests for the same thing after temporary faults, the first included; default 3
	Backoff       time.Duration // pause before the second attempt, doubled for each further one; default 250 ms
	HeaderTimeout time.Duration // until an answer begins; default 15 s
	StallWindow   time.Duration // time of waiting over which MinRate must be reached; default 20 s
	MinRate       int64         // bytes per second that a registry must deliver; default 1024

	Now func() time.Time   // default time.Now
	Log logrus.FieldLogger // told of retries; default nothing

	networks     *networks       // of AllowNetworks
	tokenHosts   map[string]bool // of TokenHosts
	roots        *roots          // of CAFiles
	ownTransport bool            // Transport is the default
}

// fill fills in the zero values and checks the rest, all errors at once.
func (o *Options) fill() error {
	var errs []error
	duration := func(name string, value *time.Duration, byDefault time.Duration) {
		if *value < 0 {
			errs = append(errs, fmt.Errorf("%s is %s, less than zero", name, *value))
		}
		if *value == 0 {
			*value = byDefault
		}
	}
	number := func(name string, value *int64, byDefault int64) {
		if *value < 0 {
			errs = append(errs, fmt.Errorf("%s is %d, less than zero", name, *value))
		}
		if *value == 0 {
			*value = byDefault
		}
	}
	duration("ResolveTTL", &o.ResolveTTL, 30*time.Second)
	duration("ResolveTimeout", &o.ResolveTimeout, 30*time.Second)
	duration("Backoff", &o.Backoff, 250*time.Millisecond)
	duration("HeaderTimeout", &o.HeaderTimeout, 15*time.Second)
	duration("StallWindow", &o.StallWindow, 20*time.Second)
	number("MaxImageBytes", &o.MaxImageBytes, 20<<30)
	number("MaxLayerBytes", &o.MaxLayerBytes, 10<<30)
	number("MaxUncompressedBytes", &o.MaxUncompressedBytes, 32<<30)
	number("MaxRatio", &o.MaxRatio, 200)
	number("MinRate", &o.MinRate, 1024)
	attempts := int64(o.Attempts)
	number("Attempts", &attempts, 3)
	o.Attempts = int(attempts)
	allowed, err := parseNetworks(allowRegistries, o.AllowNetworks)
	if err != nil {
		errs = append(errs, err)
	}
	o.networks = allowed
	if o.roots, err = readRootFiles("registryCaFiles", o.CAFiles); err != nil {
		errs = append(errs, err)
	}
	o.ownTransport = o.Transport == nil
	if o.tokenHosts, err = parseTokenHosts(o.TokenHosts); err != nil {
		errs = append(errs, err)
	}
	if o.MaxRate < 0 || math.IsNaN(o.MaxRate) {
		errs = append(errs, fmt.Errorf("MaxRate is %g, less than zero", o.MaxRate))
	}
	connections := int64(o.MaxConnections)
	number("MaxConnections", &connections, 64)
	o.MaxConnections = int(max(connections, 0))
	o.fillParts()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("image options: %w", err)
	}
	return nil
}

func (o *Options) fillParts() {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Transport == nil {
		o.Transport = newNetwork(o.networks, o.Resolver, o.roots.config())
	}
	if o.UserAgent == "" {
		o.UserAgent = "runecast"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
}
