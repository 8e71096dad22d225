package image

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// maxHostsFile is the most bytes of a hosts.toml or of a file that it names.
const maxHostsFile = 1 << 20

// hostsFile is containerd's hosts.toml (https://github.com/containerd/containerd/blob/main/docs/hosts.md).
type hostsFile struct {
	Server   string              `toml:"server"`
	Host     map[string]hostKeys `toml:"host"`
	hostKeys                     // of the server
}

// hostKeys are the keys of a hosts.toml for one host.
type hostKeys struct {
	Capabilities []string       `toml:"capabilities"`  // pull, resolve; push and referrers are passed over; default all
	CA           any            `toml:"ca"`            // a PEM file or several
	Client       any            `toml:"client"`        // a PEM file of certificate and key, several, or pairs of both
	SkipVerify   bool           `toml:"skip_verify"`   // believe any certificate
	Header       map[string]any `toml:"header"`        // sent with every request: a text or several
	OverridePath bool           `toml:"override_path"` // the address is that of the API itself: /v2 is not added
	DialTimeout  string         `toml:"dial_timeout"`  // accepted; ours is 10 s
}

// mirror is one host that is asked for a registry's images.
type mirror struct {
	url        *url.URL // with the path under which the API is
	pull       bool     // what a digest names
	resolve    bool     // what a tag names
	header     http.Header
	certs      []tls.Certificate
	roots      []*x509.Certificate
	files      []string // that roots and certs were read from
	skipVerify bool
	implied    bool // nobody wrote the address: it is the one that the image names
}

// parseHostsFile reads a hosts.toml: its hosts in the order in which they are written, and the server, which is the upstream
// registry itself where none is stated, and nil where nothing is stated about it. Files that it names are relative to its directory. Keys that are not known are errors.
func parseHostsFile(name string, content []byte, upstream string) (hosts []*mirror, server *mirror, err error) {
	var file hostsFile
	decoder := toml.NewDecoder(bytes.NewReader(content)).DisallowUnknownFields()
	if err = decoder.Decode(&file); err != nil {
		var unknown *toml.StrictMissingError
		if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
			return nil, nil, fmt.Errorf("%s: unknown key %s", name, strings.Join(unknown.Errors[0].Key(), "."))
		}
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	order, err := hostOrder(content)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	for _, address := range order {
		keys := file.Host[address]
		m, bad := keys.mirror(filepath.Dir(name), address)
		if bad != nil {
			return nil, nil, fmt.Errorf("%s: host %q: %w", name, address, bad)
		}
		hosts = append(hosts, m)
	}
	if len(hosts) != len(file.Host) {
		return nil, nil, fmt.Errorf("%s: each host must be a table of its own, [host.\"https://…\"]", name)
	}
	implied := false
	if file.Server == "" && !reflect.DeepEqual(file.hostKeys, hostKeys{}) {
		file.Server, implied = upstream, true
	}
	if file.Server != "" {
		if server, err = file.mirror(filepath.Dir(name), file.Server); err != nil {
			return nil, nil, fmt.Errorf("%s: server: %w", name, err)
		}
		server.implied = implied
	}
	return hosts, server, nil
}

// hostOrder lists the hosts as they are written; the decoder's map has lost it. It matters: they are asked in this order.
func hostOrder(content []byte) ([]string, error) {
	var (
		order  []string
		parser unstable.Parser
	)
	parser.Reset(content)
	for parser.NextExpression() {
		e := parser.Expression()
		if e.Kind != unstable.Table {
			continue
		}
		var parts []string
		for it := e.Key(); it.Next(); {
			parts = append(parts, string(it.Node().Data))
		}
		if len(parts) >= 2 && parts[0] == "host" && !slices.Contains(order, parts[1]) {
			order = append(order, parts[1])
		}
	}
	return order, parser.Error() //nolint:wrapcheck // the caller does
}

func (k *hostKeys) mirror(dir, address string) (*mirror, error) {
	u, err := mirrorURL(address, k.OverridePath)
	if err != nil {
		return nil, err
	}
	m := &mirror{url: u, pull: len(k.Capabilities) == 0, resolve: len(k.Capabilities) == 0, header: http.Header{}, skipVerify: k.SkipVerify}
	for _, c := range k.Capabilities {
		switch strings.ToLower(c) {
		case "pull":
			m.pull = true
		case "resolve":
			m.resolve = true
		case "push", "referrers":
		default:
			return nil, fmt.Errorf("capabilities: %q is none of pull, resolve, push, referrers", c)
		}
	}
	for key, value := range k.Header {
		words, bad := texts(value)
		if bad != nil {
			return nil, fmt.Errorf("header %s: %w", key, bad)
		}
		for _, word := range words {
			m.header.Add(key, word)
		}
	}
	if m.roots, err = readRoots(dir, k.CA); err != nil {
		return nil, err
	}
	m.files = k.files(dir)
	m.certs, err = readPairs(dir, k.Client)
	return m, err
}

// mirrorURL reads a host's address as containerd does: https where none is stated, and /v2 added to its path unless it is
// there already or override_path says that the path is complete.
func mirrorURL(address string, override bool) (*url.URL, error) {
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it is no address such as https://mirror.example/path, without user and query")
	}
	u.Path = strings.TrimSuffix(path.Clean("/"+u.Path), "/")
	if !override && !strings.HasSuffix(u.Path, "/v2") {
		u.Path += "/v2"
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host), Path: u.Path}, nil
}

// texts reads what TOML has as one text or as a list of them.
func texts(value any) ([]string, error) {
	switch value := value.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{value}, nil
	case []any:
		out := make([]string, 0, len(value))
		for _, item := range value {
			text, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", item)
			}
			out = append(out, text)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v is neither a text nor a list of them", value)
}

func readRoots(dir string, value any) ([]*x509.Certificate, error) {
	names, err := texts(value)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	var roots []*x509.Certificate
	for _, name := range names {
		found, err := readCertificates(within(dir, name))
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		roots = append(roots, found...)
	}
	return roots, nil
}

// files are the names of the files that ca and client name. What is no name is told by who reads them.
func (k *hostKeys) files(dir string) []string {
	items := []any{k.CA, k.Client}
	if pairs, ok := k.Client.([]any); ok {
		items = append(items, pairs...)
	}
	var files []string
	for _, item := range items {
		names, _ := texts(item)
		for _, name := range names {
			files = append(files, within(dir, name))
		}
	}
	return files
}

// readPairs reads client: "file", ["file", …] with certificate and key in one, or [["certificate", "key"], …].
func readPairs(dir string, value any) ([]tls.Certificate, error) {
	items, ok := value.([]any)
	if !ok && value != nil {
		items = []any{value}
	}
	var certs []tls.Certificate
	for _, item := range items {
		names, err := texts(item)
		if err == nil && len(names) == 1 {
			names = append(names, names[0])
		}
		if err != nil || len(names) != 2 {
			return nil, errors.New("client: it is neither a file, nor a list of files or of pairs of certificate and key")
		}
		certPEM, err := readSmall(within(dir, names[0]))
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		keyPEM, err := readSmall(within(dir, names[1]))
		if err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			return nil, fmt.Errorf("client: %s and %s: %w", names[0], names[1], err)
		}
		certs = append(certs, pair)
	}
	return certs, nil
}

func within(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

// readSmall reads a file of the operator's, which is yet not to be of any size.
func readSmall(name string) ([]byte, error) {
	file, err := os.Open(name) //nolint:gosec // G304: the operator names it
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxHostsFile+1))
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	if len(content) > maxHostsFile {
		return nil, fmt.Errorf("%s has more than %d bytes", name, maxHostsFile)
	}
	return content, nil
}
