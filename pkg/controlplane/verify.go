package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Outcomes of a check.
const (
	CheckGood     = "good"
	CheckBad      = "bad"
	CheckNotTried = "not tried"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"` // good, bad or not tried
	Detail  string `json:"detail"`
}

// Verify says what is set on this node, and whether a review really arrives authenticated: it has this node's API server create a pod as a
// dry run in a namespace that a webhook at the address guards by token, and reads in the API server's own metrics how the
// webhook answered. It changes nothing. The namespace may be "", and then the first that is guarded is taken.
func (n *Node) Verify(ctx context.Context, options Options, namespace string) ([]Check, error) {
	d, done, err := newDisk(n.Root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = done() }() // nothing was written
	options.Root = n.Root
	made, err := makeDraft(d, options)
	if err != nil {
		return nil, err
	}
	checks := made.checkFiles()
	checks = append(checks, n.checkState(d))
	if n.API == nil {
		return append(checks, Check{"API server", CheckNotTried, "there is no access to it"}), nil
	}
	if made.manifest() != nil {
		checks = append(checks, n.checkPod(ctx, made))
	} else {
		checks = append(checks, outcome("API server", n.API.Ready(ctx), "it is ready; whether it has read the files since its service was restarted, the review shows"))
	}
	if n.Try != nil && made.token != "" {
		checks = append(checks, outcome("token", n.Try(ctx, made.token), "the webhook "+made.user+" takes it"))
	}
	return append(checks, n.checkReview(ctx, options.Address, namespace)), nil
}

func outcome(name string, err error, good string) Check {
	if err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	return Check{name, CheckGood, good}
}

func (d *draft) checkFiles() []Check {
	var checks []Check
	for _, t := range d.targets() {
		switch {
		case t.old == nil:
			checks = append(checks, Check{t.path, CheckBad, "it is not there"})
		case t == &d.kubeconfig && d.token == "":
			checks = append(checks, Check{t.path, CheckBad, "it has no token for " + d.user})
		case t.old.mode != t.new.mode:
			checks = append(checks, Check{t.path, CheckBad, fmt.Sprintf("its permissions are %04o, and should be %04o", t.old.mode, t.new.mode)})
		case t == d.manifest() && (d.before.value != AdmissionFile || d.before.onNode(AdmissionFile) != AdmissionFile):
			checks = append(checks, Check{t.path, CheckBad, "the flag, the volume or its mount is not set"})
		case t != d.manifest() && !t.same():
			checks = append(checks, Check{t.path, CheckBad, "it is not as it should be: see plan"})
		default:
			checks = append(checks, Check{t.path, CheckGood, "set"})
		}
	}
	return checks
}

// checkState tells of a run that was ended.
func (n *Node) checkState(d disk) Check {
	s, err := loadState(d)
	switch {
	case err != nil:
		return Check{"record", CheckBad, err.Error()}
	case s.Phase == phaseNone:
		return Check{"record", CheckGood, "runecast has changed no file of this node; what is set was set by others"}
	case s.Phase != phaseConfigured:
		return Check{"record", CheckBad, "a run was ended while " + string(s.Phase) + ": run configure or restore again"}
	}
	return Check{"record", CheckGood, "copies of the files as they were are in " + BackupDir}
}

// checkPod tells whether the API server runs with what is set: its pod's own arguments, and that it started after the files, which it
// reads when it starts.
func (n *Node) checkPod(ctx context.Context, made *draft) Check {
	const name = "API server"
	if err := n.API.Ready(ctx); err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	pod, err := n.API.Pod(ctx)
	switch {
	case err != nil:
		return Check{name, CheckBad, err.Error()}
	case !slices.Contains(pod.Arguments, admissionFlag+"="+AdmissionFile):
		return Check{name, CheckBad, "pod " + pod.Name + " runs without the flag " + admissionFlag + "=" + AdmissionFile}
	}
	for _, t := range []*target{&made.kubeconfig, &made.admission} {
		if t.old != nil && t.old.changed.Truncate(time.Second).After(pod.Started) {
			return Check{name, CheckBad, fmt.Sprintf("it started at %s, before %s was written: restart it", pod.Started.Format(time.RFC3339), t.path)}
		}
	}
	return Check{name, CheckGood, "pod " + pod.Name + " runs with the flag since " + pod.Started.Format(time.RFC3339)}
}

const reviewPod = "runecast-verify"

// checkReview has the API server send a review.
func (n *Node) checkReview(ctx context.Context, address, namespace string) Check {
	const name = "review"
	guards, err := n.API.guards(ctx, address)
	if err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	if len(guards) == 0 {
		return Check{name, CheckNotTried, "no webhook configuration is at " + address + " and authenticates by token"}
	}
	guarded, err := n.API.guarded(ctx, guards, namespace)
	if err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	if guarded == "" {
		return Check{name, CheckNotTried, "no namespace is selected by the webhooks at " + address + ": label one, or name it"}
	}
	before, err := n.API.answers(ctx, guards)
	if err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	var refused *StatusError
	failure := n.API.call(ctx, http.MethodPost, "/api/v1/namespaces/"+url.PathEscape(guarded)+"/pods?dryRun=All", probe(), nil)
	if failure != nil && !errors.As(failure, &refused) {
		return Check{name, CheckBad, failure.Error()}
	}
	after, err := n.API.answers(ctx, guards)
	if err != nil {
		return Check{name, CheckBad, err.Error()}
	}
	answered := Check{name, CheckGood, "the webhook answered a review of this API server in namespace " + guarded}
	rise := func(code int) bool { return after[code] > before[code] }
	switch {
	case failure == nil && rise(http.StatusOK):
		return answered
	case failure == nil:
		return Check{name, CheckBad, "a pod was let in as a dry run in namespace " + guarded + ", and no webhook answered for it"}
	case slices.ContainsFunc(guards, func(g guard) bool {
		return strings.Contains(refused.Message, `admission webhook "`+g.name+`" denied the request`)
	}): // it was judged, however
		return answered
	case rise(http.StatusUnauthorized):
		return Check{name, CheckBad, "the webhook does not take the token that this API server sends (401): " + refused.Message}
	}
	return Check{name, CheckBad, refused.Message}
}

// probe is a pod that every Pod Security level admits. Its image stands on the list of those that are not judged by default.
func probe() any {
	type object = map[string]any
	return object{
		"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": reviewPod},
		"spec": object{
			"automountServiceAccountToken": false,
			"securityContext":              object{"runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": object{"type": "RuntimeDefault"}},
			"containers": []object{{
				"name": "verify", "image": "registry.k8s.io/pause:3.10",
				"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}}},
				"resources":       object{"requests": object{"cpu": "1m", "memory": "1Mi"}, "limits": object{"cpu": "1m", "memory": "1Mi"}},
			}},
		},
	}
}
