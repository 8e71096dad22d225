package controlplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

const reviewPath = "/rc2/api/v2/k8s-admission-policy-review/policy/"

// Webhook is where a node sends a review to try a token.
type Webhook struct {
	Address     string // host:port, as the API server names it; the certificate must be valid for the host
	Endpoint    string // host:port to connect to; "" is the address
	Authorities []byte // PEM, whom to trust; empty: the system's
	Policy      string // id
}

// Reach finds out how to reach the webhook at an address from a node, as the API server does: a Service by its cluster IP, since nodes do not
// know the cluster's names, and the authorities that a webhook configuration for the address names.
func (a *API) Reach(ctx context.Context, address string) (*Webhook, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: write host:port: %w", address, err)
	}
	w := &Webhook{Address: address}
	if name, ok := strings.CutSuffix(host, ".svc"); ok {
		service, namespace, ok := strings.Cut(name, ".")
		if !ok {
			return nil, fmt.Errorf("address %q: a Service is written service.namespace.svc:port", address)
		}
		var found struct {
			Spec struct {
				ClusterIP string `json:"clusterIP"` //nolint:tagliatelle // as Kubernetes has it
			} `json:"spec"`
		}
		if err = a.call(ctx, http.MethodGet, "/api/v1/namespaces/"+url.PathEscape(namespace)+"/services/"+url.PathEscape(service), nil, &found); err != nil {
			return nil, fmt.Errorf("find the webhook %s: %w", address, err)
		}
		if net.ParseIP(found.Spec.ClusterIP) == nil {
			return nil, fmt.Errorf("find the webhook %s: its Service has no cluster IP", address)
		}
		w.Endpoint = net.JoinHostPort(found.Spec.ClusterIP, port)
	}
	w.Authorities, err = a.authorities(ctx, address)
	return w, err
}

// authorities gives the caBundle of the webhooks at an address.
func (a *API) authorities(ctx context.Context, address string) ([]byte, error) {
	list, err := a.configurations(ctx)
	if err != nil {
		return nil, err
	}
	var all []byte
	for i := range list {
		for j := range list[i].Webhooks {
			if w := &list[i].Webhooks[j]; w.host() == address {
				all = append(append(all, w.ClientConfig.CABundle...), '\n')
			}
		}
	}
	return bytes.TrimSpace(all), nil
}

// Try sends the review of a pod without images, as a dry run, with a token. It is nil when the webhook answers, and else says why
// not; the token is in no error.
func (w *Webhook) Try(ctx context.Context, token string) error {
	client, err := w.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	type object = map[string]any
	body, err := json.Marshal(object{
		"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
		"request": object{
			"uid": uuid.NewString(), "kind": object{"version": "v1", "kind": "Pod"}, "resource": object{"version": "v1", "resource": "pods"},
			"name": reviewPod, "namespace": "default", "operation": "CREATE", "dryRun": true,
			"object": object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": reviewPod}, "spec": object{"containers": []object{}}},
		},
	})
	if err != nil {
		return fmt.Errorf("encode a review: %w", err)
	}
	target := "https://" + w.Address + reviewPath + url.PathEscape(w.Policy) + "?timeout=" + callLimit.String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("address %q: %w", w.Address, bare(err))
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("it cannot be reached from this node: %w", bare(err))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxFile))
	if err != nil {
		return fmt.Errorf("read its answer: %w", err)
	}
	return judge(response.StatusCode, content)
}

func judge(code int, content []byte) error {
	switch code {
	case http.StatusOK:
		var review struct {
			Response *struct{} `json:"response"`
		}
		if json.Unmarshal(content, &review) != nil || review.Response == nil {
			return errors.New("what answers is no review server")
		}
		return nil
	case http.StatusUnauthorized:
		return errors.New("it refuses the token (401): create one with runecast token create, or look at the Secret of tokens")
	case http.StatusForbidden:
		return errors.New("the token may not review (403): its access type has to be Review or Global Admin")
	case http.StatusNotFound:
		return errors.New("it does not know the policy (404): name one with --policy")
	}
	return errors.New("it answers " + strconv.Itoa(code) + " " + http.StatusText(code))
}

func (w *Webhook) client() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(w.Authorities) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(w.Authorities) {
			return nil, errors.New("the authorities of the webhook hold no PEM certificate")
		}
	}
	dialer := net.Dialer{Timeout: callLimit}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: config,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if w.Endpoint != "" {
					address = w.Endpoint
				}
				return dialer.DialContext(ctx, network, address)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
