package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode"
)

// sendTimeout is how long one attempt may take, from the connection to the end of the answer.
const sendTimeout = 20 * time.Second

// maxSecret is how many bytes a file with a secret may have.
const maxSecret = 64 << 10

// Network connects to where notifications may go.
type Network interface {
	DialContext(ctx context.Context, network, hostPort string) (net.Conn, error)
	// TLSConfig and Transport believe the authorities of PEM files beside the system's.
	TLSConfig(caFiles []string) (*tls.Config, error)
	Transport(caFiles []string) (http.RoundTripper, error)
}

// Sink tells one destination.
type Sink interface {
	// Send sends a notification once, at a time, and gives what the destination said. Its errors are *SendError.
	Send(ctx context.Context, n *Notification, at time.Time) (string, error)
}

// SendError is why a notification was not taken. It has no secret.
type SendError struct {
	Text       string
	Permanent  bool          // trying again cannot help
	RetryAfter time.Duration // what the destination asks for; 0: nothing
}

// Error implements error.
func (e *SendError) Error() string { return e.Text }

// NewSink makes the sink of a destination that Check passed. agent is how it introduces itself. publicURL is where people find the pages.
func NewSink(d *Destination, network Network, agent, publicURL string) Sink {
	words, post := wording{publicURL: publicURL}, poster{network, d.caFiles(), agent, sendTimeout}
	switch d.Type {
	case TypeSlack:
		return &slack{poster: post, urlFile: d.URLFile, words: words}
	case TypeEmail:
		return &email{network: network, caFiles: d.caFiles(), agent: agent, smtp: d.SMTP, words: words}
	case TypeWebhook:
	}
	return &webhook{poster: post, destination: *d}
}

func (d *Destination) caFiles() []string {
	if d.CAFile == "" {
		return nil
	}
	return []string{d.CAFile}
}

// readSecret reads a file with a secret; white space around it does not count. Its error names the file and none of its content.
func readSecret(name string) (string, error) {
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fmt.Errorf("read a secret: %s is empty", name)
	}
	return secret, nil
}

// veil takes secrets out of a text, makes one line of it and bounds it: answers and errors of others become part of logs and pages.
func veil(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return line(text, maxText)
}

// line makes one line of a text, without what could steer a terminal or begin a header, of at most limit runes.
func line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		default:
			return '\uFFFD'
		}
	}, text)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

// fault makes a SendError of any error.
func fault(err error, secrets ...string) *SendError {
	if known, ok := errors.AsType[*SendError](err); ok {
		return known
	}
	return &SendError{Text: veil(err.Error(), secrets...)}
}
