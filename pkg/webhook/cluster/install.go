package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/runecast/runecast/pkg/webhook"
)

// Names of an installation's objects, as the chart gives them and as operators' commands ask for them.
const (
	nginxSelector = "app.kubernetes.io/name=nginx"
	nginxVolume   = "nginx-secret"
	keySecret     = "runecast-review-key"

	phaseAnnotation = "runecast.com/phase" // of a rotation, as certgen writes it
	phaseExpand     = "expand"
)

// Bundle reads the CA of the installation in a namespace, as PEM: from the Secret that its nginx pods mount as nginx-secret, ca.crt or, without
// that, the CA certificates of tls.crt. It needs the right to list pods and to get that Secret.
func (c *Client) Bundle(ctx context.Context, namespace string) ([]byte, error) {
	type pod struct {
		Spec struct {
			Volumes []struct {
				Name   string `json:"name"`
				Secret struct {
					SecretName string `json:"secretName"`
				} `json:"secret"`
			} `json:"volumes"`
		} `json:"spec"`
	}
	pods, err := list[pod](ctx, c, "pods of namespace "+namespace, "/api/v1/namespaces/"+namespace+"/pods", nginxSelector)
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range pods {
		for _, v := range pods[i].Spec.Volumes {
			if v.Name == nginxVolume && v.Secret.SecretName != "" && !slices.Contains(names, v.Secret.SecretName) {
				names = append(names, v.Secret.SecretName)
			}
		}
	}
	switch len(names) {
	case 0:
		return nil, fmt.Errorf("no pod of namespace %s with the label %s has a volume %s: name the release's namespace with --release-namespace, or give --ca-file", namespace, nginxSelector, nginxVolume)
	case 1:
	default:
		return nil, fmt.Errorf("the nginx pods of namespace %s have different certificates, from the Secrets %s: wait for their rollout, or give --ca-file", namespace, strings.Join(names, ", "))
	}
	found, err := c.secret(ctx, namespace, names[0])
	if err != nil {
		return nil, err
	}
	if ca := found.Data["ca.crt"]; len(ca) > 0 {
		return ca, nil
	}
	certificates, err := webhook.ParseBundle(found.Data["tls.crt"])
	if err != nil {
		return nil, fmt.Errorf("tls.crt of Secret %s in namespace %s: %w", names[0], namespace, err)
	}
	authorities := certificates[:0]
	for _, certificate := range certificates {
		if certificate.IsCA {
			authorities = append(authorities, certificate)
		}
	}
	if len(authorities) == 0 {
		return nil, fmt.Errorf("neither ca.crt nor tls.crt of Secret %s in namespace %s holds a CA certificate: give --ca-file", names[0], namespace)
	}
	return webhook.EncodeBundle(authorities...), nil
}

// ReviewKey reads the review key of the installation in a namespace, which certgen keeps in a Secret. As long as a rotation is in the phase
// in which servers may not know the new one, it is the one before.
func (c *Client) ReviewKey(ctx context.Context, namespace string) (string, error) {
	found, err := c.secret(ctx, namespace, keySecret)
	if err != nil {
		return "", err
	}
	key := strings.TrimSpace(string(found.Data["key"]))
	if previous := strings.TrimSpace(string(found.Data["previous"])); previous != "" && found.Metadata.Annotations[phaseAnnotation] == phaseExpand {
		key = previous
	}
	if key == "" {
		return "", fmt.Errorf("the Secret %s in namespace %s has no key", keySecret, namespace)
	}
	return key, nil
}

// secret is what is read of a Secret.
type secret struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

func (c *Client) secret(ctx context.Context, namespace, name string) (*secret, error) {
	text, err := raw(ctx, c.rest.Get().AbsPath("/api/v1/namespaces", namespace, "secrets", name))
	if err != nil {
		return nil, fmt.Errorf("get Secret %s of namespace %s: %w", name, namespace, explain(err))
	}
	found := &secret{}
	if json.Unmarshal(text, found) != nil {
		return nil, errors.New("read Secret " + name + " of namespace " + namespace + ": it is no Secret") // the decoder's error could show a part of it
	}
	return found, nil
}
