package webhook

import (
	"cmp"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FieldManager is the name under which configurations that Generate made are applied
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#managers).
const FieldManager = "runecast-webhook"

// Marks of whoever made a configuration.
const (
	managedByLabel = "app.kubernetes.io/managed-by"
	helm           = "Helm"
	helmRelease    = "meta.helm.sh/release-name"
	helmNamespace  = "meta.helm.sh/release-namespace"
)

// Owner is a field manager and what it owns of a configuration's webhooks.
type Owner struct {
	Manager string
	Applied bool                // by server-side apply; otherwise by writes of another kind
	Fields  map[string][]string // of each webhook, by its name: paths such as clientConfig.caBundle, sorted
}

const bundleField = "clientConfig.caBundle"

// keepsBundlesAlone tells whether an owner has caBundles and nothing else, as certgen and cainjector do.
func (o *Owner) keepsBundlesAlone() bool {
	for _, fields := range o.Fields {
		for _, f := range fields {
			if f != bundleField {
				return false
			}
		}
	}
	return true
}

func (o *Owner) ours() bool { return o.Manager == FieldManager && o.Applied }

// Owners reads who owns which fields of a configuration's webhooks, in the order of metadata.managedFields. Managers of other fields
// alone, such as labels, are left out.
func Owners(c *admissionregistration.ValidatingWebhookConfiguration) ([]Owner, error) {
	var owners []Owner
	for i := range c.ManagedFields {
		entry := &c.ManagedFields[i]
		var fields struct {
			Webhooks map[string]json.RawMessage `json:"f:webhooks"`
		}
		if entry.FieldsV1 == nil {
			continue
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields); err != nil {
			return nil, fmt.Errorf("the managed fields of ValidatingWebhookConfiguration %s: %w", c.Name, err)
		}
		owner := Owner{Manager: entry.Manager, Applied: entry.Operation == metav1.ManagedFieldsOperationApply, Fields: map[string][]string{}}
		for item, below := range fields.Webhooks {
			var key struct {
				Name string `json:"name"`
			}
			if text, ok := strings.CutPrefix(item, "k:"); !ok || json.Unmarshal([]byte(text), &key) != nil || key.Name == "" {
				continue // "." stands for the list itself
			}
			var paths []string
			collect(below, "", &paths)
			slices.Sort(paths)
			owner.Fields[key.Name] = paths
		}
		if len(owner.Fields) > 0 {
			owners = append(owners, owner)
		}
	}
	return owners, nil
}

// Managers names the field managers of a configuration's webhooks, each once, in their order.
func Managers(c *admissionregistration.ValidatingWebhookConfiguration) ([]string, error) {
	owners, err := Owners(c)
	names := []string{}
	for i := range owners {
		if !slices.Contains(names, owners[i].Manager) {
			names = append(names, owners[i].Manager)
		}
	}
	return names, err
}

// collect gathers the paths of the leaves of a fieldsV1 tree, less the name that makes an item of the list
// (https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/#fieldsv1-v1-meta).
func collect(tree json.RawMessage, path string, paths *[]string) {
	var below map[string]json.RawMessage
	if json.Unmarshal(tree, &below) != nil {
		return
	}
	leaf := true
	for key, value := range below {
		name, ok := strings.CutPrefix(key, "f:")
		if !ok {
			continue
		}
		leaf = false
		if path != "" {
			name = path + "." + name
		}
		collect(value, name, paths)
	}
	if leaf && path != "" && path != "name" {
		*paths = append(*paths, path)
	}
}

// Application is what to send for a configuration to be as it was generated, and what stands against it.
type Application struct {
	Object *admissionregistration.ValidatingWebhookConfiguration
	Notes  []string // what is left to others
	Refuse string   // why not to send it, in words that say what to do; empty where nothing speaks against it
}

// PlanApply works out how to apply a generated configuration over the one in the cluster, nil where there is none.
//
// A caBundle that somebody else keeps is left to them, as certgen writes it in a rotation of the CA. A configuration that was never applied by
// FieldManager belongs to whoever made it, and is taken over only with force; then the bundles are, too. The object carries the
// resourceVersion that was looked at, so that a change meanwhile is a conflict.
func PlanApply(live, generated *admissionregistration.ValidatingWebhookConfiguration, force bool) (*Application, error) {
	a := &Application{Object: generated.DeepCopy()}
	if live == nil {
		return a, nil
	}
	a.Object.ResourceVersion = live.ResourceVersion
	owners, err := Owners(live)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(owners, func(o Owner) bool { return o.ours() }) {
		a.Refuse = belongs(live, owners)
	}
	if force {
		if a.Refuse != "" {
			a.Notes, a.Refuse = append(a.Notes, "taken over: "+a.Refuse), ""
		}
		return a, nil
	}
	a.leaveBundles(live, owners)
	return a, nil
}

// belongs says to whom a configuration belongs that was never applied by us, and what to do.
func belongs(live *admissionregistration.ValidatingWebhookConfiguration, owners []Owner) string {
	if release := live.Annotations[helmRelease]; release != "" || live.Labels[managedByLabel] == helm {
		return fmt.Sprintf("%s belongs to the Helm release %s of namespace %s, which would write it again: change the release's values (webhook, webhooks) and run helm upgrade, or give this one another --name",
			live.Name, release, live.Annotations[helmNamespace])
	}
	var names []string
	for i := range owners {
		if !owners[i].keepsBundlesAlone() && !slices.Contains(names, owners[i].Manager) {
			names = append(names, owners[i].Manager)
		}
	}
	return fmt.Sprintf("%s is there already and managed by %s: look at runecast webhook diff, then take it over with --force-conflicts, or give this one another --name",
		live.Name, cmp.Or(strings.Join(names, ", "), "somebody else"))
}

// Strays names the webhooks that are in a configuration after an apply and were not sent, each with those who have it: what another manager
// has made too, an apply does not remove.
func (a *Application) Strays(after *admissionregistration.ValidatingWebhookConfiguration) ([]string, error) {
	owners, err := Owners(after)
	if err != nil {
		return nil, err
	}
	var notes []string
	for i := range after.Webhooks {
		name := after.Webhooks[i].Name
		if slices.ContainsFunc(a.Object.Webhooks, func(w admissionregistration.ValidatingWebhook) bool { return w.Name == name }) {
			continue
		}
		var managers []string
		for j := range owners {
			if _, has := owners[j].Fields[name]; has {
				managers = append(managers, owners[j].Manager)
			}
		}
		notes = append(notes, fmt.Sprintf("webhook %s stays in %s, as %s has it: take it out by kubectl edit, or delete the configuration and apply again", name, after.Name, cmp.Or(strings.Join(managers, ", "), "somebody else")))
	}
	return notes, nil
}

// leaveBundles takes the caBundles out of what is sent that somebody else keeps.
func (a *Application) leaveBundles(live *admissionregistration.ValidatingWebhookConfiguration, owners []Owner) {
	for i := range a.Object.Webhooks {
		w := &a.Object.Webhooks[i]
		keeper := slices.IndexFunc(owners, func(o Owner) bool { return !o.ours() && slices.Contains(o.Fields[w.Name], bundleField) })
		at := slices.IndexFunc(live.Webhooks, func(l admissionregistration.ValidatingWebhook) bool { return l.Name == w.Name })
		if keeper < 0 || at < 0 || w.ClientConfig.CABundle == nil {
			continue
		}
		note := fmt.Sprintf("the caBundle of webhook %s is kept by %s and left alone", w.Name, owners[keeper].Manager)
		if lacks := lacking(live.Webhooks[at].ClientConfig.CABundle, w.ClientConfig.CABundle); lacks != "" {
			note += "; it lacks " + lacks + " of the given CA: run runecast webhook check"
		}
		a.Notes = append(a.Notes, note)
		w.ClientConfig.CABundle = nil
	}
}

// lacking names the certificates of want that a bundle does not have.
func lacking(bundle, want []byte) string {
	have, err := ParseBundle(bundle)
	wanted, wantErr := ParseBundle(want)
	if err != nil || wantErr != nil {
		return "something that can be read"
	}
	wanted = slices.DeleteFunc(wanted, func(c *x509.Certificate) bool { return Contains(have, c) })
	if len(wanted) == 0 {
		return ""
	}
	return named(wanted...)
}
