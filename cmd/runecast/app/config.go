package app

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/workload"
)

// Log formats.
const (
	logJSON = "json"
	logText = "text"
)

// Config is the program's configuration. The YAML file has the keys given here; the flag of a key is its name in kebab case,
// the variable RUNECAST_ and that in upper case with underscores.
type Config struct {
	Config    string `koanf:"config"`    // this very file; only by flag or variable
	DataDir   string `koanf:"dataDir"`   // holds the database, the feed and the self-issued certificate; default $XDG_DATA_HOME/runecast
	Database  string `koanf:"database"`  // a SQLite file or a postgres:// URL; default runecast.db in the data directory
	Feed      string `koanf:"feed"`      // the feed index; default feed.index in the data directory
	LogLevel  string `koanf:"logLevel"`  // debug, info, warn, error; default info for serve, warn otherwise
	LogFormat string `koanf:"logFormat"` // json or text; default text on a terminal, else json

	Listen      string   `koanf:"listen"`      // address of the server; default :9080; port 0 takes a free one
	PlainHTTP   bool     `koanf:"plainHttp"`   // no TLS: for life behind nginx
	TLSCertFile string   `koanf:"tlsCertFile"` // PEM chain; default: a self-issued certificate in the data directory
	TLSKeyFile  string   `koanf:"tlsKeyFile"`  // PEM
	TLSNames    []string `koanf:"tlsNames"`    // more names and addresses for the self-issued certificate
	MaxInFlight int      `koanf:"maxInFlight"` // reviews handled at a time; default 1024

	PublicURL string `koanf:"publicUrl"` // where people find the pages, https://host[:port]: answers to reviews and scan requests link there; default none

	ReviewKeyDir    string `koanf:"reviewKeyDir"`    // directory with the files key and previous: keys that may stand in a review's path; default none
	TokenDir        string `koanf:"tokenDir"`        // directory whose files are API tokens beside those in the database; default none
	TokenAccessType string `koanf:"tokenAccessType"` // access type of the tokens of tokenDir; default Review

	AdminPasswordFile string     `koanf:"adminPasswordFile"` // file with the one-time password of the first administrator of the pages; default: a random one that the log tells once
	OIDC              OIDCConfig `koanf:"oidc"`              // logins to the pages by an OpenID provider; default none

	TrustedProxies []string `koanf:"trustedProxies"` // networks and addresses of proxies whose X-Forwarded-For is believed; default none

	PolicyFiles       []string `koanf:"policyFiles"`       // YAML files of policies beside the built-in ones, or directories of such files
	AllowedRegistries []string `koanf:"allowedRegistries"` // patterns for built-in policy 4
	Platforms         []string `koanf:"platforms"`         // of the cluster's nodes; default linux/amd64

	PullSecrets            bool          `koanf:"pullSecrets"`            // read workloads' imagePullSecrets through the API server, where there is access to one; default true
	Kubeconfig             string        `koanf:"kubeconfig"`             // file of the access to the API server that pull secrets are read through; default for serve that of the pod it runs in, else none
	RegistryKeychains      []string      `koanf:"registryKeychains"`      // the server's own credentials: docker, ecr, gcr, acr; those of clouds ask metadata services; default docker
	RegistryPlainHTTP      []string      `koanf:"registryPlainHttp"`      // registries, as host:port, that are asked without TLS; allowed loopback ones are so in any case
	RegistryAllowNetworks  []string      `koanf:"registryAllowNetworks"`  // networks, addresses, hosts[:port] and *.domains that registries may be at beside public addresses; default none, for scan and review loopback and private ones
	RegistryTokenHosts     []string      `koanf:"registryTokenHosts"`     // registry=host: where a registry may have its credentials exchanged beside hosts of its own domain
	RegistryConfigDir      string        `koanf:"registryConfigDir"`      // directory of containerd's form with mirrors: HOST/hosts.toml, _default/hosts.toml; default none
	RegistryCAFiles        []string      `koanf:"registryCaFiles"`        // PEM files of authorities that registries' certificates may be signed by beside the system's
	RegistryRateLimit      float64       `koanf:"registryRateLimit"`      // requests a second to each registry; default 0, no limit
	RegistryMaxConnections int           `koanf:"registryMaxConnections"` // requests to each registry at a time; default 64
	LayerToc               []string      `koanf:"layerToc"`               // off, all, or registries[/path] whose layers are read by their tables of contents (eStargz, zstd:chunked) and not whole; default off
	ResolveTTL             time.Duration `koanf:"resolveTtl"`             // how long a tag's digest is remembered; default 30s
	ScanTimeout            time.Duration `koanf:"scanTimeout"`            // for one image, in the background too; default 10m
	ScanConcurrency        int           `koanf:"scanConcurrency"`        // images scanned at a time; default 4
	MaxImageBytes          int64         `koanf:"maxImageBytes"`          // of all layers, compressed; default 16 GiB
	MaxLayerBytes          int64         `koanf:"maxLayerBytes"`          // of one layer, compressed; default 10 GiB

	FeedURL            string        `koanf:"feedUrl"`            // where a server takes its feed from by itself: oci://registry/repository:tag, https://host/feed.index, or public for the public data; default none
	FeedUpdateInterval time.Duration `koanf:"feedUpdateInterval"` // default 1h, a tenth more or less by chance

	DownloadDir        string   `koanf:"downloadDir"`        // copies of the public data; default download in the data directory
	DownloadSources    []string `koanf:"downloadSources"`    // osv, nvd, cve, epss, kev; default all
	DownloadEcosystems []string `koanf:"downloadEcosystems"` // of OSV; default all that images' packages are read of
	DownloadCAFiles    []string `koanf:"downloadCaFiles"`    // PEM files of authorities that the servers of the public data, or mirrors, may have beside the system's
	OSVURL             string   `koanf:"osvUrl"`             // base of OSV's exports; default the public place, as for the following
	NVDURL             string   `koanf:"nvdUrl"`             // base of NVD's JSON 2.0 feeds
	CVEURL             string   `koanf:"cveUrl"`             // zip of CVE records
	EPSSURL            string   `koanf:"epssUrl"`            // EPSS scores, CSV by gzip
	KEVURL             string   `koanf:"kevUrl"`             // CISA's catalogue

	MaxUncompressedBytes int64 `koanf:"maxUncompressedBytes"` // of one layer; default 32 GiB
	MaxRatio             int64 `koanf:"maxRatio"`             // of a layer's uncompressed to its compressed bytes; default 200

	DecisionRetentionDays int   `koanf:"decisionRetentionDays"` // how long decisions are kept; 0: for ever; default 365
	FlipRetentionDays     int   `koanf:"flipRetentionDays"`     // how long flips are kept, but for the last of an image that is judged again; 0: for ever; default 90
	AuditRetentionDays    int   `koanf:"auditRetentionDays"`    // how long the audit log is kept; 0: for ever; default 365
	MaxFlips              int64 `koanf:"maxFlips"`              // flips beyond that many are deleted before their time; 0: no limit; default 100,000

	WebhookStatus bool `koanf:"webhookStatus"` // tell on the pages and by REST what guards which namespaces of the cluster; default true

	Notifications             []notify.Destination `koanf:"notifications"`             // who is told of denials and flips (docs/notifications.md); in the file alone; default nobody
	NotificationAllowNetworks []string             `koanf:"notificationAllowNetworks"` // networks, addresses, hosts[:port] and *.domains that notifications may go to beside public addresses; default none
	NotificationRetentionDays int                  `koanf:"notificationRetentionDays"` // how long notifications are kept that were sent or given up; 0: for ever; default 30
}

func defaults() map[string]any {
	return map[string]any{
		"dataDir": defaultDataDir(), "listen": ":9080", "maxInFlight": 1024, "tokenAccessType": string(auth.AccessReview), "platforms": []string{"linux/amd64"}, "pullSecrets": true,
		"registryKeychains": []string{keychainDocker}, "resolveTtl": "30s", "scanTimeout": "10m", "maxImageBytes": int64(16) << 30,
		"decisionRetentionDays": 365, "flipRetentionDays": 90, "auditRetentionDays": 365, "maxFlips": 100_000, "notificationRetentionDays": 30, "webhookStatus": true,
	}
}

func defaultDataDir() string {
	if base := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "runecast")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "runecast")
	}
	return "runecast-data"
}

// addCommonFlags adds the flags that every command has.
func addCommonFlags(flags *pflag.FlagSet) {
	flags.String("config", "", "YAML `file` with settings")
	flags.String("data-dir", "", "`directory` of the database, the feed and the self-issued certificate (default "+defaultDataDir()+")")
	flags.String("log-level", "", "debug, info, warn or error")
	flags.String("log-format", "", "json or text (default text on a terminal, else json)")
}

func addStoreFlags(flags *pflag.FlagSet) {
	flags.String("database", "", "SQLite `file or postgres:// URL` (default runecast.db in the data directory); put one with a password into RUNECAST_DATABASE")
}

func addFeedFlags(flags *pflag.FlagSet) {
	flags.String("feed", "", "feed index `file` (default feed.index in the data directory)")
}

func addPolicyFlags(flags *pflag.FlagSet) {
	flags.StringSlice("policy-files", nil, "YAML `files` of policies beside the built-in ones, or directories of such files")
	flags.StringSlice("allowed-registries", nil, "`patterns` for built-in policy 4, such as registry.k8s.io/*")
}

func addKubeconfigFlag(flags *pflag.FlagSet, byDefault string) {
	flags.Bool("pull-secrets", true, "read imagePullSecrets through the API server, where there is access to one")
	flags.String("kubeconfig", "", "`file` of the access to the API server that imagePullSecrets are read through (default "+byDefault+")")
}

// addRegistryFlags adds the flags of how registries are asked.
func addRegistryFlags(flags *pflag.FlagSet) {
	flags.StringSlice("registry-keychains", nil, "sources of the program's own `credentials`: docker, ecr, gcr, acr (default docker)")
	flags.StringSlice("registry-plain-http", nil, "registries, as `host:port`, that are asked without TLS")
	flags.StringSlice("registry-allow-networks", nil, "networks, addresses, `hosts` or *.domains that registries may be at beside public addresses")
	flags.StringSlice("registry-token-hosts", nil, "`registry=host` pairs: where registries may have their credentials exchanged beside hosts of their own domain")
	flags.String("registry-config-dir", "", "`directory` with mirrors of registries as containerd has it: HOST/hosts.toml, _default/hosts.toml")
	flags.StringSlice("registry-ca-files", nil, "PEM `files` of authorities that are believed beside the system's")
	flags.Float64("registry-rate-limit", 0, "requests a second to each registry (default no limit)")
	flags.Int("registry-max-connections", 0, "requests to each registry at a time (default 64)")
	flags.StringSlice("layer-toc", nil, "read layers by their tables of contents: off, all, or the `registries` whose builders are trusted (default off)")
}

func addScanFlags(flags *pflag.FlagSet) {
	addRegistryFlags(flags)
	flags.Duration("resolve-ttl", 0, "how long a tag's digest is remembered (default 30s)")
	flags.Duration("scan-timeout", 0, "for one image (default 10m)")
	flags.Int("scan-concurrency", 0, "images scanned at a time (default 4)")
	flags.Int64("max-image-bytes", 0, "largest image, compressed (default 16 GiB)")
	flags.Int64("max-layer-bytes", 0, "largest layer, compressed (default 10 GiB)")
	flags.Int64("max-uncompressed-bytes", 0, "largest layer, uncompressed (default 32 GiB)")
	flags.Int64("max-ratio", 0, "largest ratio of a layer's uncompressed to its compressed bytes (default 200)")
}

func addRetentionFlags(flags *pflag.FlagSet) {
	flags.Int("decision-retention-days", 0, "how long decisions are kept; 0: for ever (default 365)")
	flags.Int("flip-retention-days", 0, "how long flips are kept, but for the last of an image that is judged again; 0: for ever (default 90)")
	flags.Int("audit-retention-days", 0, "how long the audit log is kept; 0: for ever (default 365)")
	flags.Int64("max-flips", 0, "how many flips are kept; 0: no limit (default 100000)")
}

// loadConfig joins defaults, file, variables and flags, each over the one before, and checks the result.
func loadConfig(flags *pflag.FlagSet, environ []string) (Config, error) {
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(defaults(), "."), nil); err != nil {
		return Config{}, fmt.Errorf("load the default settings: %w", err)
	}
	variables := variables(environ)
	path, _ := variables["config"].(string)
	if flag := flags.Lookup("config"); flag != nil && flag.Changed {
		path = flag.Value.String()
	}
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("read the settings of %s: %w", path, err)
		}
	}
	if err := k.Load(confmap.Provider(variables, "."), nil); err != nil {
		return Config{}, fmt.Errorf("read the settings of RUNECAST_* variables: %w", err)
	}
	changed := func(f *pflag.Flag) (string, any) {
		if _, known := keys()[f.Name]; !known || !f.Changed {
			return "", nil
		}
		return keys()[f.Name], posflag.FlagVal(flags, f)
	}
	if err := k.Load(posflag.ProviderWithFlag(flags, ".", k, changed), nil); err != nil {
		return Config{}, fmt.Errorf("read the flags: %w", err)
	}
	var c Config
	decoder := &mapstructure.DecoderConfig{
		ErrorUnused: true, WeaklyTypedInput: true, Result: &c,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(mapstructure.StringToTimeDurationHookFunc(), mapstructure.StringToSliceHookFunc(",")),
	}
	if err := k.UnmarshalWithConf("", &c, koanf.UnmarshalConf{DecoderConfig: decoder}); err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	c.fill()
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("settings: %w", err)
	}
	return c, nil
}

// keys maps flag names to the keys of the file.
func keys() map[string]string {
	names := map[string]string{}
	for _, flag := range []string{
		"config", "data-dir", "database", "feed", "log-level", "log-format", "listen", "plain-http", "tls-cert-file", "tls-key-file", "tls-names", "max-in-flight", "public-url", "webhook-status", "notification-allow-networks", "notification-retention-days",
		"review-key-dir", "token-dir", "token-access-type", "admin-password-file",
		"trusted-proxies", "oidc-issuer", "oidc-name", "oidc-client-id", "oidc-client-secret-file", "oidc-scopes", "oidc-name-claim", "oidc-groups-claim",
		"oidc-administrator-groups", "oidc-read-only-groups", "oidc-ca-files", "oidc-local-login",
		"policy-files", "allowed-registries", "platforms", "pull-secrets", "kubeconfig", "registry-keychains", "registry-plain-http", "registry-allow-networks", "registry-token-hosts", "registry-config-dir", "registry-ca-files", "registry-rate-limit", "registry-max-connections", "layer-toc", "resolve-ttl", "scan-timeout", "scan-concurrency",
		"max-image-bytes", "max-layer-bytes", "max-uncompressed-bytes", "max-ratio", "decision-retention-days", "flip-retention-days", "audit-retention-days", "max-flips",
		"feed-url", "feed-update-interval",
		"download-dir", "download-sources", "download-ecosystems", "download-ca-files", "osv-url", "nvd-url", "cve-url", "epss-url", "kev-url",
	} {
		names[flag] = keyOf(flag)
	}
	return names
}

// keyOf gives the key of a flag: that of a setting of the block oidc begins with its name.
func keyOf(flag string) string {
	if inside, ok := strings.CutPrefix(flag, "oidc-"); ok {
		return "oidc." + keyOf(inside)
	}
	words := strings.Split(flag, "-")
	for i := range words[1:] {
		words[i+1] = strings.ToUpper(words[i+1][:1]) + words[i+1][1:]
	}
	return strings.Join(words, "")
}

// variables takes the settings out of the environment. Other variables that begin with RUNECAST_ are left alone: Kubernetes
// sets some in every pod that stands beside a Service named runecast.
func variables(environ []string) map[string]any {
	found := map[string]any{}
	for flag, key := range keys() {
		name := "RUNECAST_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) + "="
		if i := slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, name) }); i >= 0 {
			found[key] = strings.TrimPrefix(environ[i], name)
		}
	}
	return found
}

func (c *Config) defaultDatabase() string { return filepath.Join(c.DataDir, "runecast.db") }

func (c *Config) fill() {
	if c.Database == "" {
		c.Database = c.defaultDatabase()
	}
	if c.Feed == "" {
		c.Feed = filepath.Join(c.DataDir, "feed.index")
	}
	if c.DownloadDir == "" {
		c.DownloadDir = filepath.Join(c.DataDir, "download")
	}
}

// validate names every setting that cannot be used.
func (c *Config) validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen: %q is no address such as :9080 or 127.0.0.1:9080: %w", c.Listen, err))
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		errs = append(errs, errors.New("tlsCertFile and tlsKeyFile go together: give both or none"))
	}
	if c.PlainHTTP && c.TLSCertFile != "" {
		errs = append(errs, errors.New("plainHttp and tlsCertFile exclude each other"))
	}
	if err := c.OIDC.validate(c.PublicURL); err != nil {
		errs = append(errs, err)
	}
	if _, err := auth.ParseProxies(c.TrustedProxies); err != nil {
		errs = append(errs, fmt.Errorf("trustedProxies: %w", err))
	}
	if _, err := auth.ParseAccessType(c.TokenAccessType); err != nil {
		errs = append(errs, fmt.Errorf("tokenAccessType: %w", err))
	}
	if c.LogFormat != "" && c.LogFormat != logJSON && c.LogFormat != logText {
		errs = append(errs, fmt.Errorf("logFormat: %q is neither json nor text", c.LogFormat))
	}
	if err := checkPublicURL(c.PublicURL); err != nil {
		errs = append(errs, err)
	}
	for i := range c.Platforms {
		c.Platforms[i] = strings.TrimSpace(c.Platforms[i])
		if err := workload.CheckPlatform(c.Platforms[i]); err != nil {
			errs = append(errs, fmt.Errorf("platforms: %w", err))
		}
	}
	return errors.Join(errors.Join(errs...), c.validateNumbers(), c.validateRegistries(), notify.Check(c.Notifications))
}

// maxRetentionDays is a hundred years, in which a time.Duration does not overflow.
const maxRetentionDays = 36_500

// validateNumbers names every number that is out of its range.
func (c *Config) validateNumbers() error {
	var errs []error
	for name, value := range map[string]int64{
		"feedUpdateInterval": int64(c.FeedUpdateInterval), "resolveTtl": int64(c.ResolveTTL), "scanTimeout": int64(c.ScanTimeout), "scanConcurrency": int64(c.ScanConcurrency), "maxImageBytes": c.MaxImageBytes, "maxInFlight": int64(c.MaxInFlight),
		"registryMaxConnections": int64(c.RegistryMaxConnections), "maxLayerBytes": c.MaxLayerBytes, "maxUncompressedBytes": c.MaxUncompressedBytes, "maxRatio": c.MaxRatio,
		"decisionRetentionDays": int64(c.DecisionRetentionDays), "flipRetentionDays": int64(c.FlipRetentionDays), "auditRetentionDays": int64(c.AuditRetentionDays), "notificationRetentionDays": int64(c.NotificationRetentionDays), "maxFlips": c.MaxFlips,
	} {
		if value < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative", name, value))
		}
	}
	for name, days := range map[string]int{"decisionRetentionDays": c.DecisionRetentionDays, "flipRetentionDays": c.FlipRetentionDays, "auditRetentionDays": c.AuditRetentionDays, "notificationRetentionDays": c.NotificationRetentionDays} {
		if days > maxRetentionDays {
			errs = append(errs, fmt.Errorf("%s: %d is more than %d; 0 keeps them for ever", name, days, maxRetentionDays))
		}
	}
	return errors.Join(errs...)
}

// validateRegistries checks what the server asks elsewhere, and how.
func (c *Config) validateRegistries() error {
	var errs []error
	for i := range c.RegistryKeychains {
		c.RegistryKeychains[i] = strings.TrimSpace(c.RegistryKeychains[i])
	}
	if _, err := serverKeychain(c.RegistryKeychains, nil); err != nil {
		errs = append(errs, err)
	}
	if err := checkFeedURL(c.FeedURL); err != nil {
		errs = append(errs, err)
	}
	if c.RegistryRateLimit < 0 {
		errs = append(errs, fmt.Errorf("registryRateLimit: %g is negative", c.RegistryRateLimit))
	}
	return errors.Join(errs...)
}

// tlsDir is where the self-issued certificate authority is kept.
func (c *Config) tlsDir() string { return filepath.Join(c.DataDir, "tls") }
