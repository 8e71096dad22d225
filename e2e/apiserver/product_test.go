package apiserver_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/runecast/runecast/e2e/controlplane"
)

// product is the runecast binary, built from this tree.
type product struct {
	dir    string // for binary and feed
	binary string
	feed   string
}

// build compiles the binary.
func (p *product) build(ctx context.Context) error {
	p.binary = filepath.Join(p.dir, "runecast")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", p.binary, "github.com/runecast/runecast/cmd/runecast")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build runecast: %w\n%s", err, out)
	}
	return nil
}

// run gives what a command prints on standard output.
func (p *product) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("runecast %s: %w\n%s", strings.Join(args[:2], " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

// buildFeed makes the index from real data where there is any, else from the records in testdata.
func (p *product) buildFeed(ctx context.Context) error {
	p.feed = filepath.Join(p.dir, "feed.index")
	args := []string{"feed", "build", "-o", p.feed}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	feeds := os.Getenv("RUNECAST_TEST_FEEDS")
	if feeds == "" {
		feeds = filepath.Join("..", "shared", "feeds")
	}
	if !filepath.IsAbs(feeds) {
		feeds = filepath.Join(root, feeds)
	}
	if _, err = os.Stat(filepath.Join(feeds, "osv")); err == nil {
		args = append(args, "--osv", filepath.Join(feeds, "osv"),
			"--nvd", filepath.Join(feeds, "nvdcve-2.0.json.gz"),
			"--cve", filepath.Join(feeds, "cve5.zip"),
			"--kev", filepath.Join(feeds, "known_exploited_vulnerabilities.json"))
	} else {
		small := filepath.Join(p.dir, "osv")
		if problem := zipRecords(filepath.Join("testdata", "osv", "Debian"), filepath.Join(small, "Debian", "all.zip")); problem != nil {
			return problem
		}
		args = append(args, "--osv", small)
	}
	_, err = p.run(ctx, args...)
	return err
}

// zipRecords packs the JSON files of a directory as OSV's public export packs an ecosystem.
func zipRecords(dir, archive string) error {
	records, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return err
	}
	if len(records) == 0 {
		return fmt.Errorf("%s holds no records", dir)
	}
	if err := os.MkdirAll(filepath.Dir(archive), 0o700); err != nil {
		return err
	}
	var buffer bytes.Buffer
	w := zip.NewWriter(&buffer)
	for _, path := range records {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		entry, err := w.Create(filepath.Base(path))
		if err != nil {
			return err
		}
		if _, err := entry.Write(text); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(archive, buffer.Bytes(), 0o600)
}

// server is one running `runecast serve` with its own data directory, port and token. The API server reads the
// token when it starts, so both exist before the server runs.
type server struct {
	product *product
	name    string
	dataDir string
	host    string // 127.0.0.1:port
	token   string

	arguments []string // of serve, beside those that all have

	process *controlplane.Process
}

// newServer creates the data directory and the token.
func (p *product) newServer(ctx context.Context, name, port string) (*server, error) {
	s := &server{product: p, name: name, dataDir: filepath.Join(p.dir, "data-"+name), host: "127.0.0.1:" + port}
	var err error
	s.token, err = p.run(ctx, "token", "create", "--data-dir", s.dataDir, "--name", "api-server", "--access-type", "Global Admin", "--quiet")
	return s, err
}

// start runs the server and waits until it is ready.
func (s *server) start(ctx context.Context, ps *controlplane.Processes) error {
	var err error
	command := append([]string{s.product.binary, "serve", "--registry-allow-networks", "127.0.0.0/8", "--data-dir", s.dataDir, "--listen", s.host, "--feed", s.product.feed}, s.arguments...)
	s.process, err = ps.Add(s.product.dir, "serve-"+s.name, command...)
	if err != nil {
		return err
	}
	return s.process.Await(ctx, time.Minute, s.ready)
}

// caBundle gives the CA of the server's self-issued certificate.
func (s *server) caBundle() ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dataDir, "tls", "ca.crt"))
}

func (s *server) ready(ctx context.Context) error {
	status, body, err := s.get(ctx, "/readyz")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("/readyz: status %d: %s", status, body)
	}
	return nil
}

// get asks the server for a path without credentials, trusting its own CA and nothing else.
func (s *server) get(ctx context.Context, path string) (int, string, error) {
	bundle, err := s.caBundle()
	if err != nil {
		return 0, "", err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(bundle) {
		return 0, "", errors.New("tls/ca.crt holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.host+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// revokeToken revokes the only token of the server, from the command line, beside the running server.
func (s *server) revokeToken(ctx context.Context) error {
	listed, err := s.product.run(ctx, "token", "list", "--data-dir", s.dataDir, "-o", "json")
	if err != nil {
		return err
	}
	var tokens []struct {
		ID string `json:"id"`
	}
	if err = json.Unmarshal([]byte(listed), &tokens); err != nil {
		return fmt.Errorf("token list: %w in %s", err, listed)
	}
	if len(tokens) != 1 {
		return fmt.Errorf("token list: want one token, got %s", listed)
	}
	if strings.Contains(listed, s.token) {
		return errors.New("token list shows the secret")
	}
	_, err = s.product.run(ctx, "token", "revoke", "--data-dir", s.dataDir, tokens[0].ID)
	return err
}
