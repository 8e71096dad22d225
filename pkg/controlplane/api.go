package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

const (
	callLimit = 10 * time.Second // for one call
	maxBody   = 16 << 20         // bytes of an answer
)

// API is the API server of one node, as an administrator sees it.
type API struct {
	client *http.Client
	server string
}

// NewAPI takes a client that authenticates as an administrator does, and the URL of the node's own API server, as ServerURL gives it:
// behind the address of a load balancer another node's may answer.
func NewAPI(client *http.Client, server string) *API {
	return &API{client, strings.TrimSuffix(server, "/")}
}

// ServerURL gives the URL of the API server that the node's manifest starts: https, with the address that it advertises, for
// which kubeadm's certificate is valid.
func ServerURL(root string) (string, error) {
	d, done, err := newDisk(root)
	if err != nil {
		return "", err
	}
	defer func() { _ = done() }() // nothing was written
	c, err := load(d, ManifestFile)
	if err != nil {
		return "", err
	}
	if c == nil {
		return "", fmt.Errorf("there is no %s", ManifestFile)
	}
	m, err := parseManifest(c.text)
	if err != nil {
		return "", fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	host := m.argument("--advertise-address", "")
	if host == "" {
		return "", fmt.Errorf("manifest %s: it has no --advertise-address, so where its API server answers is not known", ManifestFile)
	}
	return "https://" + net.JoinHostPort(host, m.argument("--secure-port", "6443")), nil
}

// Pod is an API server's own pod.
type Pod struct {
	Name, Node  string
	Arguments   []string // of its command line
	RestartedAt string   // of the annotation
	Running     bool     // and ready
	Started     time.Time
	Problem     string // why it does not run, in the kubelet's words
}

// Ready tells whether the API server is ready to serve (https://kubernetes.io/docs/reference/using-api/health-checks/).
func (a *API) Ready(ctx context.Context) error {
	_, err := a.raw(ctx, http.MethodGet, "/readyz", "", nil)
	return err
}

// Pod gives the API server's own pod.
func (a *API) Pod(ctx context.Context) (*Pod, error) {
	var list podList
	if err := a.call(ctx, http.MethodGet, "/api/v1/namespaces/kube-system/pods?labelSelector="+url.QueryEscape("component="+container), nil, &list); err != nil {
		return nil, err
	}
	at, err := url.Parse(a.server)
	if err != nil {
		return nil, fmt.Errorf("read the URL of the API server: %w", err)
	}
	for i := range list.Items {
		if item := &list.Items[i]; item.Status.HostIP == at.Hostname() || item.Status.PodIP == at.Hostname() || len(list.Items) == 1 {
			return item.pod(), nil
		}
	}
	return nil, fmt.Errorf("none of the %d pods of API servers is at %s", len(list.Items), at.Hostname())
}

type podList struct {
	Items []apiPod `json:"items"`
}

// apiPod is what is read of a pod (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/).
type apiPod struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		NodeName   string `json:"nodeName"`
		Containers []struct {
			Name    string   `json:"name"`
			Command []string `json:"command"`
			Args    []string `json:"args"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		HostIP            string `json:"hostIP"` //nolint:tagliatelle // as Kubernetes has it
		PodIP             string `json:"podIP"`  //nolint:tagliatelle // as Kubernetes has it
		ContainerStatuses []struct {
			Name  string `json:"name"`
			Ready bool   `json:"ready"`
			State struct {
				Running *struct {
					StartedAt time.Time `json:"startedAt"`
				} `json:"running"`
				Waiting *struct {
					Reason  string `json:"reason"`
					Message string `json:"message"`
				} `json:"waiting"`
				Terminated *struct {
					Reason  string `json:"reason"`
					Message string `json:"message"`
				} `json:"terminated"`
			} `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

func (p *apiPod) pod() *Pod {
	pod := &Pod{Name: p.Metadata.Name, Node: p.Spec.NodeName, RestartedAt: p.Metadata.Annotations[restartKey]}
	for i := range p.Spec.Containers {
		if c := &p.Spec.Containers[i]; c.Name == container {
			pod.Arguments = slices.Concat(c.Command, c.Args)
		}
	}
	for i := range p.Status.ContainerStatuses {
		c := &p.Status.ContainerStatuses[i]
		switch {
		case c.Name != container:
		case c.State.Running != nil:
			pod.Running, pod.Started = c.Ready, c.State.Running.StartedAt
		case c.State.Waiting != nil:
			pod.Problem = strings.TrimSpace(c.State.Waiting.Reason + " " + c.State.Waiting.Message)
		case c.State.Terminated != nil:
			pod.Problem = strings.TrimSpace(c.State.Terminated.Reason + " " + c.State.Terminated.Message)
		}
	}
	return pod
}

// StatusError is an answer of the API server that is no success.
type StatusError struct {
	Code    int    // of HTTP
	Message string // the API server's own, which has no secret of the caller's
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answers %d %s: %s", e.Code, http.StatusText(e.Code), e.Message)
}

// call sends JSON and reads JSON.
func (a *API) call(ctx context.Context, method, target string, body, answer any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode a call of the API server: %w", err)
		}
	}
	kind := "application/json"
	if method == http.MethodPatch {
		kind = "application/merge-patch+json"
	}
	content, err := a.raw(ctx, method, target, kind, text)
	if err != nil {
		return err
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("read the answer of the API server: %w", err)
	}
	return nil
}

func (a *API) raw(ctx context.Context, method, target, kind string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, a.server+target, bytes.NewReader(body)) //nolint:gosec // the manifest of the node names the server
	if err != nil {
		return nil, fmt.Errorf("call the API server: %w", err)
	}
	request.Header.Set("Accept", "application/json, */*;q=0.5")
	if len(body) > 0 {
		request.Header.Set("Content-Type", kind)
	}
	response, err := a.client.Do(request) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("the API server %s does not answer: %w", a.server, bare(err))
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the API server: %w", err)
	}
	if response.StatusCode/100 != 2 {
		var status struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(content, &status) != nil || status.Message == "" {
			status.Message = strings.TrimSpace(string(content[:min(len(content), 300)]))
		}
		return nil, &StatusError{response.StatusCode, status.Message}
	}
	return content, nil
}

// bare gives the cause of a failed call without its URL.
func bare(err error) error {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err
	}
	return err
}

// secretPath is the path of a Secret, which is written namespace/name.
func secretPath(name string) (string, error) {
	namespace, secret, ok := strings.Cut(name, "/")
	if !ok || namespace == "" || secret == "" || strings.Contains(secret, "/") {
		return "", fmt.Errorf("secret %q: write namespace/name", name)
	}
	return path.Join("/api/v1/namespaces", url.PathEscape(namespace), "secrets", url.PathEscape(secret)), nil
}
