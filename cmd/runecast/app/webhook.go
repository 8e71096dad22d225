package app

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
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/admission"
)

const (
	maxAnswer = 1 << 20 // bytes of an answer to a ping
	pingPod   = "runecast-ping"
)

func newWebhook(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhook",
		Short: "Write, apply and check the configuration of webhooks, and try the review endpoint",
		Long: `A ValidatingWebhookConfiguration tells the API server which workloads to ask runecast about. The chart
makes one; these commands make and look after one that is your own, and look at any.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newWebhookGenerate(c), newWebhookDiff(c), newWebhookApply(c), newWebhookCheck(c), newWebhookStatus(c), newWebhookPing(c))
	return cmd
}

// ping is one review to be sent.
type ping struct {
	server, policy     string
	caFile             string
	keyFile, tokenFile string
	image              string
	timeout            time.Duration
	wait               time.Duration

	at *url.URL // where to send it, in place of what server, policy and keyFile say; it can have a key in it
}

func newWebhookPing(c *command) *cobra.Command {
	var (
		p      ping
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "ping --server URL",
		Short: "Send one review as the API server would, as a dry run, and show the answer",
		Long: `Sends the review of a pod to the server, through everything that stands before it: certificate,
proxy, credential, policy. Without --image the pod has no image and is allowed at once; with one
the image is judged. Nothing is recorded.

Exit codes: 0 the review was answered and allowed, 1 it was denied, 2 it was not answered.`,
		Example: `  runecast webhook ping --server https://runecast-nginx.runecast.svc:9080 --policy 2 \
    --ca-file ca.crt --key-file key
  runecast webhook ping --server https://localhost:9080 --token-file token.txt --image nginx:1.19`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := p.until(cmd.Context())
			if err != nil {
				return fmt.Errorf("ping %s: %w", p.server, err)
			}
			if err := output.print(c.streams.Out, answer, func(t *table) {
				t.row("server", p.server)
				t.row("policy", p.policy)
				t.row("allowed", strconv.FormatBool(answer.Allowed))
				t.row("answered in", answer.Duration)
				if answer.Message != "" {
					t.row("message", answer.Message)
				}
			}); err != nil {
				return err
			}
			if !answer.Allowed {
				return errDenied
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.server, "server", "", "`URL` of the server, without a path")
	flags.StringVar(&p.policy, "policy", "2", "`id` of the policy")
	flags.StringVar(&p.caFile, "ca-file", "", "PEM `file` of the authorities to trust (default the system's)")
	flags.StringVar(&p.keyFile, "key-file", "", "`file` with the key for the review's path")
	flags.StringVar(&p.tokenFile, "token-file", "", "`file` with an API token")
	flags.StringVar(&p.image, "image", "", "`image` of the pod (default none)")
	flags.DurationVar(&p.timeout, "timeout", 10*time.Second, "for one review, as the webhook's timeoutSeconds")
	flags.DurationVar(&p.wait, "wait", 0, "how long to try again while nobody answers")
	output.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("key-file", "token-file")
	if err := cmd.MarkFlagRequired("server"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

// pingAnswer is the answer to a ping.
type pingAnswer struct {
	Server   string `json:"server"`
	Policy   string `json:"policy"`
	Allowed  bool   `json:"allowed"`
	Message  string `json:"message,omitempty"`
	Duration string `json:"duration"`
}

// until sends the ping again until somebody answers or the wait is over.
func (p *ping) until(ctx context.Context) (*pingAnswer, error) {
	client, err := p.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	end := time.Now().Add(p.wait)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		answer, err := p.send(ctx, client)
		if err == nil || time.Now().After(end) {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (p *ping) client() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if p.caFile != "" {
		content, err := os.ReadFile(p.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(content) {
			return nil, fmt.Errorf("read the authorities: %s holds no PEM certificate", p.caFile)
		}
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// target gives the URL of the review. It has the key where there is one, and so is not for people.
func (p *ping) target() (*url.URL, error) {
	if p.at != nil {
		return p.at, nil
	}
	server, err := url.Parse(p.server)
	if err != nil || server.Host == "" || (server.Scheme != "https" && server.Scheme != "http") {
		return nil, errors.New("the server is no URL such as https://runecast-nginx.runecast.svc:9080")
	}
	segments := []string{admission.ReviewPath, url.PathEscape(p.policy)}
	if p.keyFile != "" {
		key, err := readSecret(p.keyFile)
		if err != nil {
			return nil, err
		}
		segments = append(segments, "key", url.PathEscape(key))
	}
	server = server.JoinPath(segments...)
	server.RawQuery = url.Values{"timeout": {p.timeout.String()}}.Encode()
	return server, nil
}

func readSecret(name string) (string, error) {
	content, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return "", fmt.Errorf("read the credential: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// review writes the AdmissionReview of a pod that is about to be made. Kubernetes' own types would do the same and bring those of
// all its core API into every process (docs/adr/0007-memory.md).
func (p *ping) review() ([]byte, error) {
	type object = map[string]any
	containers := []object{}
	if p.image != "" {
		containers = append(containers, object{"name": "ping", "image": p.image})
	}
	pod := object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": pingPod}, "spec": object{"containers": containers}}
	body, err := json.Marshal(object{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": object{
			"uid": uuid.NewString(), "kind": object{"version": "v1", "kind": "Pod"}, "resource": object{"version": "v1", "resource": "pods"},
			"name": pingPod, "namespace": "default", "operation": "CREATE", "object": pod, "dryRun": true,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode the review: %w", err)
	}
	return body, nil
}

func (p *ping) send(ctx context.Context, client *http.Client) (*pingAnswer, error) {
	target, err := p.target()
	if err != nil {
		return nil, err
	}
	body, err := p.review()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made") // its error has the URL, and so the key
	}
	request.Header.Set("Content-Type", "application/json")
	if p.tokenFile != "" {
		token, failure := readSecret(p.tokenFile)
		if failure != nil {
			return nil, failure
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	began := time.Now()
	response, err := client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // without the URL
	}
	if err != nil {
		return nil, fmt.Errorf("nobody answers: %w", err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answers %s: %s", response.Status, short(strings.TrimSpace(string(content)), 300))
	}
	var review struct {
		Response *struct {
			Allowed bool `json:"allowed"`
			Status  struct {
				Message string `json:"message"`
			} `json:"status"`
		} `json:"response"`
	}
	if err := json.Unmarshal(content, &review); err != nil || review.Response == nil {
		return nil, fmt.Errorf("the answer is no AdmissionReview: %s", short(strings.TrimSpace(string(content)), 300))
	}
	return &pingAnswer{Server: p.server, Policy: p.policy, Allowed: review.Response.Allowed, Message: review.Response.Status.Message, Duration: time.Since(began).Round(time.Microsecond).String()}, nil
}
