package cluster

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	admissionclient "k8s.io/client-go/kubernetes/typed/admissionregistration/v1"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"
	discoveryclient "k8s.io/client-go/kubernetes/typed/discovery/v1"
	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

const fieldManager = "runecast-certgen"

// Options name what to look at.
type Options struct {
	Namespace                          string
	CASecret, ServingSecret, KeySecret string
	ReadCA                             bool     // whether there is a CA Secret of ours to read
	Managed                            string   // the chart's webhook configuration; may be empty
	Adopted                            []string // configurations made by hand
	FrontService                       string   // whose endpoints present the serving certificate; empty: nobody looks at them
	PortName                           string   // of its EndpointSlices

	// Dial connects to an endpoint; nil for a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client looks at a cluster and writes to it.
type Client struct {
	options        Options
	core           coreclient.CoreV1Interface
	slices         discoveryclient.DiscoveryV1Interface
	configurations admissionclient.ValidatingWebhookConfigurationInterface
}

// New makes a client.
func New(config *rest.Config, options Options) (*Client, error) { //nolint:gocritic // hugeParam: made once
	core, err := coreclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	slices, err := discoveryclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	admission, err := admissionclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	if options.Dial == nil {
		options.Dial = (&net.Dialer{Timeout: dialLimit}).DialContext
	}
	return &Client{options: options, core: core, slices: slices, configurations: admission.ValidatingWebhookConfigurations()}, nil
}

// Look reads the world. It reads the configurations before the serving and key Secrets, and those before the CA Secret: see
// package plan for what hangs on it.
func (c *Client) Look(ctx context.Context) (*plan.World, error) {
	w := &plan.World{}
	var err error
	if c.options.Managed != "" {
		if w.Managed, err = c.configuration(ctx, c.options.Managed); err != nil {
			return nil, err
		}
	}
	for _, name := range c.options.Adopted {
		found, err := c.configuration(ctx, name) //nolint:govet // shadow: of this configuration alone
		switch {
		case apierrors.IsForbidden(err):
			w.Blind = append(w.Blind, err)
		case err != nil:
			return nil, err
		case found != nil:
			w.Adopted = append(w.Adopted, found)
		}
	}
	if w.ServingSecret, err = c.secret(ctx, c.options.ServingSecret); err != nil {
		return nil, err
	}
	if w.KeySecret, err = c.secret(ctx, c.options.KeySecret); err != nil {
		return nil, err
	}
	if c.options.ReadCA {
		if w.CASecret, err = c.secret(ctx, c.options.CASecret); err != nil {
			return nil, err
		}
	}
	if c.options.FrontService != "" && w.ServingSecret != nil {
		leaf := state.ReadServing(w.ServingSecret).Leaf
		w.Present = sync.OnceValue(func() plan.Presented { return c.Probe(ctx, leaf) })
	}
	return w, nil
}

func (c *Client) secret(ctx context.Context, name string) (*corev1.Secret, error) {
	s, err := c.core.Secrets(c.options.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // not there, as World has it
	}
	return s, fault("get", c.secretObject(name), err)
}

func (c *Client) configuration(ctx context.Context, name string) (*admissionregistration.ValidatingWebhookConfiguration, error) {
	v, err := c.configurations.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // not there, as World has it
	}
	return v, fault("get", configurationObject(name), err)
}

func (c *Client) secretObject(name string) object {
	return object{resource: "secrets", namespace: c.options.Namespace, name: name}
}

func configurationObject(name string) object {
	return object{group: admissionregistration.GroupName, resource: "validatingwebhookconfigurations", name: name}
}

// Do makes the write of a step. ErrConflict is in the error when the object is not as it was read.
func (c *Client) Do(ctx context.Context, step *plan.Step) error {
	if step.Secret == nil {
		return c.patch(ctx, step)
	}
	secrets, name := c.core.Secrets(c.options.Namespace), step.Secret.Name
	if step.Create {
		_, err := secrets.Create(ctx, step.Secret, metav1.CreateOptions{FieldManager: fieldManager})
		return writeFault("create", c.secretObject(name), err)
	}
	_, err := secrets.Update(ctx, step.Secret, metav1.UpdateOptions{FieldManager: fieldManager})
	return writeFault("update", c.secretObject(name), err)
}

func (c *Client) patch(ctx context.Context, step *plan.Step) error {
	patch, err := webhook.Patch(step.Configuration, step.Edits)
	if err != nil {
		return err //nolint:wrapcheck // it names the configuration
	}
	name := step.Configuration.Name
	_, err = c.configurations.Patch(ctx, name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return writeFault("patch", configurationObject(name), err)
}

// Event tells the cluster's users what happened. It is about a Secret, as nothing else of ours is in the namespace for sure.
func (c *Client) Event(ctx context.Context, secret, kind, reason, message string) error {
	now := metav1.NewTime(time.Now())
	name := fmt.Sprintf("%s.%x", secret, now.UnixNano())
	_, err := c.core.Events(c.options.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name, Namespace: c.options.Namespace},
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Secret", Namespace: c.options.Namespace, Name: secret},
		Reason:         reason, Message: Redact(message), Type: kind,
		Source:         corev1.EventSource{Component: fieldManager},
		FirstTimestamp: now, LastTimestamp: now, Count: 1, ReportingController: fieldManager,
	}, metav1.CreateOptions{FieldManager: fieldManager})
	return fault("create", object{resource: "events", namespace: c.options.Namespace}, err)
}
