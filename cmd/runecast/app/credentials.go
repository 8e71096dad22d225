package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/sirupsen/logrus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/image/keychain"
	"github.com/runecast/runecast/pkg/scan"
)

// Names of keychains, as the setting registryKeychains has them.
const (
	keychainDocker = "docker" // the files of docker login
	keychainECR    = "ecr"    // Amazon
	keychainGCR    = "gcr"    // Google
	keychainACR    = "acr"    // Microsoft
)

// serverKeychain joins the server's own sources of credentials, in the given order. Those of clouds ask metadata services.
func serverKeychain(names []string, log logrus.FieldLogger) (authn.Keychain, error) {
	var list []authn.Keychain
	for _, name := range names {
		switch name {
		case keychainDocker:
			list = append(list, authn.DefaultKeychain)
		case keychainECR:
			list = append(list, newECRKeychain(log))
		case keychainGCR:
			list = append(list, newGCRKeychain(log))
		case keychainACR:
			list = append(list, newACRKeychain(log))
		default:
			return nil, fmt.Errorf("registryKeychains: %q is none of docker, ecr, gcr, acr", name)
		}
	}
	return authn.NewMultiKeychain(list...), nil
}

// pullSecrets is the cluster's API as the reviewer needs it.
type pullSecrets struct{ reader *keychain.Reader }

// Access implements admission.PullSecrets.
func (p pullSecrets) Access(ctx context.Context, namespace, serviceAccount string, secrets []string) scan.Access {
	return p.reader.Access(ctx, namespace, serviceAccount, secrets)
}

// newPullSecrets connects to the API server of the kubeconfig, or of the cluster that the program runs in where inCluster says
// so. It gives nil where there is neither or pullSecrets is off; nothing is asked yet.
func newPullSecrets(config *Config, inCluster bool, log logrus.FieldLogger) (admission.PullSecrets, error) {
	var (
		access *rest.Config
		err    error
	)
	switch {
	case !config.PullSecrets:
		log.Info("imagePullSecrets are not read: images are pulled with the server's own credentials alone")
		return nil, nil //nolint:nilnil // as the comment has it
	case config.Kubeconfig != "":
		access, err = clientcmd.BuildConfigFromFlags("", config.Kubeconfig)
	case inCluster:
		if access, err = rest.InClusterConfig(); errors.Is(err, fs.ErrNotExist) {
			err = rest.ErrNotInCluster // a pod that was given no token is to read no secrets
		}
	default:
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if errors.Is(err, rest.ErrNotInCluster) {
		log.Info("there is no access to a cluster: images are pulled with the server's own credentials alone")
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if err != nil {
		return nil, fmt.Errorf("set up the access to the API server for pull secrets: %w", err)
	}
	access.UserAgent = "runecast/" + buildVersion().Version
	access.QPS, access.Burst = 50, 100 // the cache and the reviews' own limit bound it before
	cluster, err := keychain.NewCluster(access)
	if err != nil {
		return nil, fmt.Errorf("set up the client of the API server for pull secrets: %w", err)
	}
	return pullSecrets{keychain.NewReader(cluster, 0, time.Now)}, nil
}
