package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/runecast/runecast/pkg/webhook"
)

// answers sends the review of a pod without images as the API server would, and says whether it is answered. The key in the path, or
// the token, goes to nobody but a server that the caBundle verifies.
func (f *checkFlags) answers(ctx context.Context, configuration *webhook.Configuration, index int, target *webhook.Target, address string) webhook.Finding {
	const check = "review"
	w := &configuration.Webhooks[index]
	timeout := f.timeout
	if seconds := w.TimeoutSeconds; seconds != nil && time.Duration(*seconds)*time.Second < timeout {
		timeout = time.Duration(*seconds) * time.Second
	}
	p := ping{at: webhook.CallURL(w, target), tokenFile: f.tokenFile, timeout: timeout}
	p.at.RawQuery = url.Values{"timeout": {timeout.String()}}.Encode()
	config := &tls.Config{ServerName: target.ServerName, MinVersion: tls.VersionTLS12}
	if bundle := w.ClientConfig.CABundle; len(bundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(bundle)
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	answer, err := p.send(ctx, client)
	switch {
	case err != nil:
		return webhook.Finding{Level: webhook.LevelProblem, Check: check, Text: webhook.RedactText(err.Error())}
	case !answer.Allowed:
		return webhook.Finding{Level: webhook.LevelProblem, Check: check, Text: "a pod without images is denied: " + webhook.RedactText(answer.Message)}
	default:
		return webhook.Finding{Level: webhook.LevelOK, Check: check, Text: "the review of a pod without images is answered in " + answer.Duration}
	}
}
