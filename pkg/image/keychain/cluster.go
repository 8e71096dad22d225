package keychain

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// The resources that a Cluster is asked for, as the Kubernetes API names them.
const (
	resourceSecrets  = "secrets"
	resourceAccounts = "serviceaccounts"
)

// Cluster gets objects from an API server.
type Cluster interface {
	// Get gives one object of the core group's version 1 as JSON. Its errors are those of k8s.io/apimachinery/pkg/api/errors.
	Get(ctx context.Context, resource, namespace, name string) ([]byte, error)
}

// NewCluster makes a Cluster of an API server. It asks nothing yet. Client-go's typed clients would do the same and bring the types
// of every API group with them, which cost memory in a process that uses none of these.
func NewCluster(access *rest.Config) (Cluster, error) {
	config := rest.CopyConfig(access)
	config.APIPath, config.GroupVersion = "/api", &schema.GroupVersion{Version: "v1"}
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the API server: %w", err)
	}
	return cluster{client}, nil
}

type cluster struct{ client *rest.RESTClient }

// Get implements Cluster.
func (c cluster) Get(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	return c.client.Get().Namespace(namespace).Resource(resource).Name(name).DoRaw(ctx) //nolint:wrapcheck // the contract is the error as it is
}

// secret is what is read of a Secret (https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/).
type secret struct {
	Type string            `json:"type"`
	Data map[string][]byte `json:"data"`
}

// Types of pull secrets, and the key of each that holds the configuration
// (https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets).
const (
	typeDockerConfig = "kubernetes.io/dockerconfigjson"
	keyDockerConfig  = ".dockerconfigjson"
	typeDockercfg    = "kubernetes.io/dockercfg"
	keyDockercfg     = ".dockercfg"
)

// serviceAccount is what is read of a ServiceAccount.
type serviceAccount struct {
	ImagePullSecrets []struct {
		Name string `json:"name"`
	} `json:"imagePullSecrets"`
}

// names gives those of the account's pull secrets.
func (a serviceAccount) names() []string {
	names := make([]string, 0, len(a.ImagePullSecrets))
	for _, reference := range a.ImagePullSecrets {
		names = append(names, reference.Name)
	}
	return names
}
