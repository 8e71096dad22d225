package cluster

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/plan"
)

// DeleteConfiguration deletes a webhook configuration. One that is not there is no error.
func (c *Client) DeleteConfiguration(ctx context.Context, name string) (deleted bool, err error) {
	return gone(fault("delete", configurationObject(name), c.configurations.Delete(ctx, name, metav1.DeleteOptions{})))
}

// DeleteSecret deletes a Secret of the namespace that certgen made, as its label tells. One that is not there, or is somebody else's,
// is no error.
func (c *Client) DeleteSecret(ctx context.Context, name string) (deleted bool, err error) {
	s, err := c.secret(ctx, name)
	if err != nil || s == nil || s.Labels[plan.LabelManagedBy] != plan.ManagedBy {
		return false, err
	}
	options := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &s.UID}}
	return gone(fault("delete", c.secretObject(name), c.core.Secrets(c.options.Namespace).Delete(ctx, name, options)))
}

// gone tells whether an answer to a deletion means that it was there.
func gone(err error) (deleted bool, _ error) {
	if err == nil {
		return true, nil
	}
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return false, err
}

// Callers gives the names of the configurations made by hand that call a Service of the namespace.
func (c *Client) Callers(ctx context.Context) ([]string, error) {
	var names []string
	for _, name := range c.options.Adopted {
		found, err := c.configuration(ctx, name)
		if err != nil {
			return names, fmt.Errorf("look for callers: %w", err)
		}
		if found == nil {
			continue
		}
		for i := range found.Webhooks {
			if s := found.Webhooks[i].ClientConfig.Service; s != nil && s.Namespace == c.options.Namespace {
				names = append(names, name)
				break
			}
		}
	}
	return names, nil
}
