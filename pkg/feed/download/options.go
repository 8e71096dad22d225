package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// Names of sources.
const (
	OSV  = "osv"
	NVD  = "nvd"
	CVE  = "cve"
	EPSS = "epss"
	KEV  = "kev"
)

// All are the sources in the order in which they are fetched.
func All() []string { return []string{OSV, NVD, CVE, EPSS, KEV} }

// URLs are where the sources are. Empty ones are the public places.
type URLs struct {
	OSV  string // base of ecosystems.txt, <Ecosystem>/all.zip, <Ecosystem>/modified_id.csv and <Ecosystem>/<id>.json; default https://osv-vulnerabilities.storage.googleapis.com
	NVD  string // base of nvdcve-2.0-<year>.json.gz, nvdcve-2.0-modified.json.gz and their .meta; default https://nvd.nist.gov/feeds/json/cve/2.0
	CVE  string // zip of CVE JSON 5 records; default the archive of the CVE Program's list, which GitHub makes of its newest state
	EPSS string // EPSS scores, CSV by gzip; default https://epss.empiricalsecurity.com/epss_scores-current.csv.gz
	KEV  string // default CISA's catalogue in JSON
}

func (u *URLs) fill() error {
	var errs []error
	for _, one := range []struct {
		name, byDefault string
		value           *string
	}{
		{OSV, "https://osv-vulnerabilities.storage.googleapis.com", &u.OSV},
		{NVD, "https://nvd.nist.gov/feeds/json/cve/2.0", &u.NVD},
		{CVE, "https://github.com/CVEProject/cvelistV5/archive/refs/heads/main.zip", &u.CVE},
		{EPSS, "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz", &u.EPSS},
		{KEV, "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json", &u.KEV},
	} {
		if *one.value == "" {
			*one.value = one.byDefault
		}
		if err := checkURL(*one.value); err != nil {
			errs = append(errs, fmt.Errorf("%sUrl: %w", one.name, err))
		}
		*one.value = strings.TrimSuffix(*one.value, "/")
	}
	return errors.Join(errs...)
}

// Hosts are the hosts of all URLs, as host:port, with the public ones where none is given. Whoever writes a URL into the settings
// allows what it is at.
func (u *URLs) Hosts() ([]string, error) {
	all := *u
	if err := all.fill(); err != nil {
		return nil, err
	}
	var hosts []string
	for _, text := range []string{all.OSV, all.NVD, all.CVE, all.EPSS, all.KEV} {
		host, err := HostOf(text)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// HostOf gives the host:port of a URL.
func HostOf(text string) (string, error) {
	if err := checkURL(text); err != nil {
		return "", err
	}
	to, err := url.Parse(text)
	if err != nil {
		return "", errors.New("it is no URL") // the error would show the URL
	}
	port := to.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[to.Scheme]
	}
	return strings.ToLower(to.Hostname()) + ":" + port, nil
}

// checkURL never shows a URL in full, which may have a password.
func checkURL(text string) error {
	to, err := url.Parse(text)
	if err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
		return errors.New("it is no URL such as https://mirror.example.com/osv")
	}
	if to.RawQuery != "" || to.Fragment != "" {
		return fmt.Errorf("the URL at %s has a query or a fragment, which none of these takes", to.Host)
	}
	return nil
}

// Options are the settings of Run. Only Dir is required.
type Options struct {
	Dir        string            // where the files are kept; made if it is not there
	URLs       URLs              // default the public places
	Sources    []string          // default All; OSV must be among them
	Ecosystems []string          // of OSV, without releases; default DefaultEcosystems, as far as OSV has them
	Transport  http.RoundTripper // default http.DefaultTransport, which asks any address; what its errors say by a method Lasting is not tried again
	UserAgent  string            // default "runecast"

	MaxBytes      int64         // of one file, as it is sent; default 8 GiB
	MaxChanges    int           // records of one ecosystem that are fetched one by one; more: the whole export. Default 2,000
	Parallel      int           // records that are fetched at a time; default 8
	Timeout       time.Duration // of one file, all attempts together; default 1 h
	Attempts      int           // requests in a row that may bring nothing; default 5
	Backoff       time.Duration // before the second attempt, doubled for each further one; default 1 s
	MaxWait       time.Duration // the longest wait that a server may ask for; default 2 min
	HeaderTimeout time.Duration // until an answer begins; default 30 s
	StallWindow   time.Duration // over which MinRate must be reached; default 30 s
	MinRate       int64         // bytes per second; default 1,024

	Progress func(source string, done, total int64) // total 0: not known; called from one goroutine at a time. Default none
	Now      func() time.Time                       // default time.Now
	Log      logrus.FieldLogger                     // default nothing
}

func (o *Options) fill() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no directory for the downloads"))
	}
	errs = append(errs, o.URLs.fill())
	if len(o.Sources) == 0 {
		o.Sources = All()
	}
	for _, name := range o.Sources {
		if !slices.Contains(All(), name) {
			errs = append(errs, fmt.Errorf("source %q is none of %s", name, strings.Join(All(), ", ")))
		}
	}
	if !slices.Contains(o.Sources, OSV) {
		errs = append(errs, errors.New("the source osv cannot be left out: it alone says which versions are affected"))
	}
	for _, ecosystem := range o.Ecosystems {
		if err := checkEcosystem(ecosystem); err != nil {
			errs = append(errs, err)
		}
	}
	setDefault(&o.MaxBytes, 8<<30)
	setDefault(&o.MaxChanges, 2000)
	setDefault(&o.Parallel, 8)
	setDefault(&o.Timeout, time.Hour)
	setDefault(&o.Attempts, 5)
	setDefault(&o.Backoff, time.Second)
	setDefault(&o.MaxWait, 2*time.Minute)
	setDefault(&o.HeaderTimeout, 30*time.Second)
	setDefault(&o.StallWindow, 30*time.Second)
	setDefault(&o.MinRate, 1024)
	o.fillParts()
	return errors.Join(errs...)
}

func setDefault[T int | int64 | time.Duration](value *T, byDefault T) {
	if *value <= 0 {
		*value = byDefault
	}
}

func (o *Options) fillParts() {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.UserAgent == "" {
		o.UserAgent = "runecast"
	}
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
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

// checkEcosystem refuses what could be no directory's name.
func checkEcosystem(name string) error {
	bad := func(r rune) bool { return r < ' ' || strings.ContainsRune(`/\?#%:`, r) }
	if name == "" || len(name) > 64 || strings.HasPrefix(name, ".") || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is no ecosystem of OSV such as Debian or PyPI, without a release", name)
	}
	return nil
}

// DefaultEcosystems are those of OSV that images' packages are read of.
func DefaultEcosystems() []string {
	return []string{
		"AlmaLinux", "Alpaquita", "Alpine", "Azure Linux", "BellSoft Hardened Containers", "Chainguard", "Debian", "Go", "Mageia", "Maven", "MinimOS",
		"NuGet", "Packagist", "Photon OS", "PyPI", "Red Hat", "Rocky Linux", "RubyGems", "SUSE", "Ubuntu", "Wolfi", "npm", "openEuler", "openSUSE",
	}
}

// errorIf ends a loop when the context does, with its cause.
func errorIf(ctx context.Context) error { return context.Cause(ctx) }
