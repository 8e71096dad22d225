package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// rotationKey is an annotation of the Secret of tokens, which says how far a rotation is.
const rotationKey = "runecast.com/token-rotation"

// tokenKey begins the names of the tokens that rotations make.
const tokenKey = "kube-apiserver-" //nolint:gosec // a name

// Rotation tells how far the rotation of the API servers' token is.
type Rotation struct {
	Key       string   `json:"key"`                 // of the new token in the Secret
	Old       string   `json:"old,omitempty"`       // key of the token that goes; "" where it is not in the Secret
	Nodes     []string `json:"nodes,omitempty"`     // whose API servers have the new token
	Remaining []string `json:"remaining,omitempty"` // control-plane nodes where the command has to run yet
	Revoked   bool     `json:"revoked"`             // the old token is gone
}

type tokenSecret struct {
	Metadata struct {
		ResourceVersion string            `json:"resourceVersion"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

// Rotate brings the API servers a new token, without a review that is refused: the first run adds a token to the Secret that the webhook
// takes its tokens from, namespace/name, and each run waits until the webhook takes it and configures its node with it. The run on the
// last control-plane node checks that a review arrives, and removes the old token. A run that was ended is gone on with by
// the next. The API server restarts once per node.
func (n *Node) Rotate(ctx context.Context, options Options, secret string) (*Rotation, error) {
	if n.API == nil || n.Try == nil {
		return nil, errors.New("a rotation needs access to the API server and to the webhook")
	}
	at, err := secretPath(secret)
	if err != nil {
		return nil, err
	}
	options.Root = n.Root
	made, err := currentDraft(options)
	if err != nil {
		return nil, err
	}
	if made.manifest() == nil {
		return nil, fmt.Errorf("the API server of %s restarts with its service, by hand: add a token to the Secret, run configure --token-file with it on each node and restart its service, verify, and then remove the old token from the Secret", made.flavour)
	}
	pod, err := n.API.Pod(ctx)
	if err != nil {
		return nil, err
	}
	r, token, err := n.newToken(ctx, options, made, at)
	if err != nil {
		return nil, err
	}
	n.say("Waiting until the webhook takes the new token (at most %s).", n.limit())
	if failed := n.accepted(ctx, token); failed != nil {
		return nil, failed
	}
	options.Token = token
	if _, err = n.Configure(ctx, options); err != nil {
		return nil, err
	}
	if !slices.Contains(r.Nodes, pod.Node) {
		r.Nodes = append(r.Nodes, pod.Node)
	}
	if r.Remaining, err = n.API.remaining(ctx, r.Nodes); err != nil {
		return nil, err
	}
	if len(r.Remaining) == 0 {
		if check := n.checkReview(ctx, options.Address, ""); check.Outcome == CheckBad {
			return nil, fmt.Errorf("the old token stays, as no review arrives with the new one: %s", check.Detail)
		}
		r.Revoked = r.Old != ""
	}
	return r, n.API.record(ctx, at, r)
}

// PlanRotation says what a run of Rotate would begin or go on with, and changes nothing.
func (n *Node) PlanRotation(ctx context.Context, options Options, secret string) (*Rotation, error) {
	if n.API == nil {
		return nil, errors.New("a rotation needs access to the API server")
	}
	at, err := secretPath(secret)
	if err != nil {
		return nil, err
	}
	s, r, err := n.API.rotation(ctx, at)
	if err == nil && r == nil {
		var made *draft
		options.Root = n.Root
		if made, err = currentDraft(options); err == nil {
			r, err = newRotation(options, s, made)
		}
	}
	if err != nil {
		return nil, err
	}
	r.Remaining, err = n.API.remaining(ctx, r.Nodes)
	return r, err
}

// rotation reads the Secret of tokens and the rotation that goes on, nil where there is none.
func (a *API) rotation(ctx context.Context, at string) (*tokenSecret, *Rotation, error) {
	s := &tokenSecret{}
	if err := a.call(ctx, http.MethodGet, at, nil, s); err != nil {
		return nil, nil, fmt.Errorf("read the Secret of tokens: %w", err)
	}
	text := s.Metadata.Annotations[rotationKey]
	if text == "" {
		return s, nil, nil
	}
	r := &Rotation{}
	if err := json.Unmarshal([]byte(text), r); err != nil {
		return nil, nil, fmt.Errorf("annotation %s of the Secret of tokens: %w", rotationKey, err)
	}
	if len(s.Data[r.Key]) == 0 {
		return nil, nil, fmt.Errorf("the Secret of tokens has no key %s any more: remove its annotation %s, and begin anew", r.Key, rotationKey)
	}
	return s, r, nil
}

// newRotation names the token that is to come and the one that is to go.
func newRotation(options Options, s *tokenSecret, made *draft) (*Rotation, error) {
	if made.token == "" || !made.done() {
		return nil, errors.New("this node is not set up: run configure first")
	}
	r := &Rotation{Key: tokenKey + options.now().UTC().Format("20060102-150405")}
	for key, value := range s.Data {
		if strings.TrimSpace(string(value)) == made.token {
			r.Old = key
		}
	}
	return r, nil
}

// newToken gives the rotation that goes on, or begins one.
func (n *Node) newToken(ctx context.Context, options Options, made *draft, at string) (*Rotation, string, error) {
	s, r, err := n.API.rotation(ctx, at)
	if err != nil {
		return nil, "", err
	}
	if r != nil {
		n.say("Going on with the rotation to %s.", r.Key)
		return r, strings.TrimSpace(string(s.Data[r.Key])), nil
	}
	if r, err = newRotation(options, s, made); err != nil {
		return nil, "", err
	}
	token := uuid.NewString()
	text, err := json.Marshal(r)
	if err != nil {
		return nil, "", fmt.Errorf("encode the rotation: %w", err)
	}
	type object = map[string]any
	err = n.API.call(ctx, http.MethodPatch, at, object{
		"metadata": object{"resourceVersion": s.Metadata.ResourceVersion, "annotations": object{rotationKey: string(text)}},
		"data":     object{r.Key: []byte(token)},
	}, nil)
	if err != nil {
		return nil, "", fmt.Errorf("add a token to the Secret: %w", err)
	}
	n.say("Added the token %s to the Secret.", r.Key)
	return r, token, nil
}

func currentDraft(options Options) (*draft, error) {
	d, done, err := newDisk(options.Root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = done() }() // nothing was written
	return makeDraft(d, options)
}

// accepted waits until the webhook takes a token: the kubelet brings a changed Secret into pods within about a minute
// (https://kubernetes.io/docs/tasks/inject-data-application/distribute-credentials-secure/).
func (n *Node) accepted(ctx context.Context, token string) error {
	if err := n.until(ctx, func(ctx context.Context) error { return n.Try(ctx, token) }); err != nil {
		return fmt.Errorf("the webhook does not take the new token; run again to go on: %w", err)
	}
	return nil
}

// remaining gives the control-plane nodes that are not among some.
func (a *API) remaining(ctx context.Context, done []string) ([]string, error) {
	var list struct {
		Items []apiPod `json:"items"`
	}
	if err := a.call(ctx, http.MethodGet, "/api/v1/nodes?labelSelector="+url.QueryEscape("node-role.kubernetes.io/control-plane"), nil, &list); err != nil {
		return nil, fmt.Errorf("list the control-plane nodes: %w", err)
	}
	var names []string
	for i := range list.Items {
		if name := list.Items[i].Metadata.Name; !slices.Contains(done, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// record writes how far a rotation is, and removes the old token at its end.
func (a *API) record(ctx context.Context, at string, r *Rotation) error {
	type object = map[string]any
	var s tokenSecret
	if err := a.call(ctx, http.MethodGet, at, nil, &s); err != nil {
		return fmt.Errorf("read the Secret of tokens: %w", err)
	}
	metadata := object{"resourceVersion": s.Metadata.ResourceVersion}
	patch := object{"metadata": metadata}
	if len(r.Remaining) == 0 {
		metadata["annotations"] = object{rotationKey: nil}
		if r.Old != "" {
			patch["data"] = object{r.Old: nil}
		}
	} else {
		text, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode the rotation: %w", err)
		}
		metadata["annotations"] = object{rotationKey: string(text)}
	}
	if err := a.call(ctx, http.MethodPatch, at, patch, nil); err != nil {
		return fmt.Errorf("record the rotation in the Secret of tokens: %w", err)
	}
	return nil
}
