package main

import (
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
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const startTimeout = 20 * time.Second

// server is a runecast server in this process.
type server struct {
	address string
	client  *http.Client
	cancel  context.CancelFunc
	code    chan int
	log     *logBuffer
}

// answer is the part of an AdmissionReview that kubectl shows.
type answer struct {
	Response struct {
		Allowed  bool     `json:"allowed"`
		Warnings []string `json:"warnings"`
		Status   struct {
			Message string `json:"message"`
		} `json:"status"`
	} `json:"response"`
}

// startServer starts a server on a free port of loopback and waits until it listens.
func startServer(ctx context.Context, dir string) (*server, error) {
	s := &server{code: make(chan int, 1), log: &logBuffer{}}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		args := []string{"--data-dir", dir, "--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--registry-allow-networks", "127.0.0.0/8"}
		s.code <- app.Main(ctx, args, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: s.log})
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(startTimeout); s.address == ""; s.address = s.log.address() {
		select {
		case <-tick.C:
		case code := <-s.code:
			return nil, fmt.Errorf("the server ended with code %d: %s", code, s.log.String())
		case <-deadline:
			return nil, errors.Join(fmt.Errorf("the server does not listen after %s: %s", startTimeout, s.log.String()), s.stop())
		}
	}
	ca, err := os.ReadFile(filepath.Join(dir, "tls", "ca.crt")) //nolint:gosec // a temporary directory of our own
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the server's CA: %w", err), s.stop())
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	return s, nil
}

// review sends the review of a pod with one container, as the API server would.
func (s *server) review(ctx context.Context, token, name, image string) (*answer, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": map[string]any{
			"uid": name, "kind": map[string]string{"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE", "namespace": "default", "name": name,
			"object": map[string]any{"metadata": map[string]string{"name": name}, "spec": map[string]any{"containers": []any{map[string]string{"name": name, "image": image}}}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the review: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address+"/rc2/api/v2/k8s-admission-policy-review/policy/2?timeout=30s", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send the review: %w", err)
	}
	defer response.Body.Close()
	var a answer
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s: %w", response.Status, err)
	}
	return &a, nil
}

func (s *server) stop() error {
	s.cancel()
	if code := <-s.code; code != app.ExitOK {
		return fmt.Errorf("the server ended with code %d: %s", code, s.log.String())
	}
	return nil
}

// logBuffer keeps the server's log.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := l.b.Write(p) // a bytes.Buffer does not fail
	return n, nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// address finds the line in which the server says where it listens.
func (l *logBuffer) address() string {
	for line := range strings.Lines(l.String()) {
		var entry struct {
			Msg     string `json:"msg"`
			Address string `json:"address"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.Address
		}
	}
	return ""
}
