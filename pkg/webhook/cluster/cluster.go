package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runecast/runecast/pkg/webhook"
)

const (
	requestLimit = 30 * time.Second // for one request
	pageSize     = "500"            // objects of a list in one answer
	maxPages     = 1000

	configurationsPath = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
)

// Access says which API server to talk to, and as whom. The zero value is what kubectl would take.
type Access struct {
	Kubeconfig string // file; default those of $KUBECONFIG, else ~/.kube/config, else the service account of the pod it runs in
	Context    string // of the kubeconfig; default its current one
	InCluster  bool   // only as the service account of the pod it runs in
	UserAgent  string
}

// ErrNotInCluster says that there is no service account to be.
var ErrNotInCluster = errors.New("the program does not run in a pod that has a service account's token")

// Client talks to one API server.
type Client struct {
	rest   *rest.RESTClient
	server string
}

// Connect finds the API server. It asks nothing yet. Warnings that the API server sends are not shown.
func Connect(access Access) (*Client, error) {
	config, err := access.config()
	if err != nil {
		return nil, err
	}
	config.Timeout, config.QPS, config.UserAgent = requestLimit, -1, access.UserAgent // a command makes some dozens of requests in all
	config.WarningHandler = rest.NoWarnings{}
	config.APIPath, config.GroupVersion = "/api", &schema.GroupVersion{Version: "v1"}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, *config.GroupVersion) // for the Status of errors
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	return &Client{rest: client, server: config.Host}, nil
}

// config finds the API server and the credentials.
func (a *Access) config() (*rest.Config, error) {
	if a.InCluster {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, fs.ErrNotExist) { // a pod that was given no token
			err = ErrNotInCluster
		}
		return config, err
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = a.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: a.Context}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("find the API server: there is no kubeconfig: set KUBECONFIG or give --kubeconfig")
	}
	if err != nil {
		return nil, fmt.Errorf("find the API server: %w", err)
	}
	return config, nil
}

// raw gives the body of an answer. Its error has the API server's reasons.
func raw(ctx context.Context, request *rest.Request) ([]byte, error) {
	result := request.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, err //nolint:wrapcheck // the caller explains it
	}
	return result.Raw() //nolint:wrapcheck // its error is nil here
}

// Server is the API server's URL, for people.
func (c *Client) Server() string { return c.server }

// Configuration gets a webhook configuration; nil where there is none of that name.
func (c *Client) Configuration(ctx context.Context, name string) (*admissionregistration.ValidatingWebhookConfiguration, error) {
	text, err := raw(ctx, c.rest.Get().AbsPath(configurationsPath, name))
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if err != nil {
		return nil, fmt.Errorf("get ValidatingWebhookConfiguration %s: %w", name, explain(err))
	}
	return decode(text)
}

func decode(text []byte) (*admissionregistration.ValidatingWebhookConfiguration, error) {
	found := &admissionregistration.ValidatingWebhookConfiguration{}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, fmt.Errorf("read the API server's ValidatingWebhookConfiguration: %w", err)
	}
	return found, nil
}

// Configurations lists all webhook configurations, by their names.
func (c *Client) Configurations(ctx context.Context) ([]admissionregistration.ValidatingWebhookConfiguration, error) {
	return list[admissionregistration.ValidatingWebhookConfiguration](ctx, c, "ValidatingWebhookConfigurations", configurationsPath, "")
}

// Namespaces lists all namespaces, by their names.
func (c *Client) Namespaces(ctx context.Context) ([]webhook.Namespace, error) {
	type namespace struct {
		Metadata struct {
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	found, err := list[namespace](ctx, c, "namespaces", "/api/v1/namespaces", "")
	namespaces := make([]webhook.Namespace, 0, len(found))
	for _, n := range found {
		namespaces = append(namespaces, webhook.Namespace{Name: n.Metadata.Name, Labels: n.Metadata.Labels})
	}
	return namespaces, err
}

// list reads a list page by page. etcd, and so the API server, gives it in the order of names.
func list[T any](ctx context.Context, c *Client, what, path, selector string) ([]T, error) {
	var all []T
	next := ""
	for range maxPages {
		request := c.rest.Get().AbsPath(path).Param("limit", pageSize)
		if next != "" {
			request.Param("continue", next)
		}
		if selector != "" {
			request.Param("labelSelector", selector)
		}
		text, err := raw(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", what, explain(err))
		}
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []T `json:"items"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, fmt.Errorf("read the list of %s: %w", what, err)
		}
		all = append(all, page.Items...)
		if next = page.Metadata.Continue; next == "" {
			return all, nil
		}
	}
	return nil, fmt.Errorf("the list of %s does not end", what)
}

// Apply sends a configuration by server-side apply under webhook.FieldManager and gives what is stored then, or would be with dryRun. With
// force, fields that others own and that differ are taken from them; without, they are an error that names them.
func (c *Client) Apply(ctx context.Context, configuration *admissionregistration.ValidatingWebhookConfiguration, dryRun, force bool) (*admissionregistration.ValidatingWebhookConfiguration, error) {
	body, err := json.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("write ValidatingWebhookConfiguration %s: %w", configuration.Name, err)
	}
	request := c.rest.Patch(types.ApplyPatchType).AbsPath(configurationsPath, configuration.Name).
		Param("fieldManager", webhook.FieldManager).Param("fieldValidation", "Strict").Body(body)
	if dryRun {
		request.Param("dryRun", "All")
	}
	if force {
		request.Param("force", "true")
	}
	text, err := raw(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("apply ValidatingWebhookConfiguration %s: %w", configuration.Name, applyFault(err))
	}
	return decode(text)
}
