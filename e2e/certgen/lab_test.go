//go:build certgen

package certgen_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/e2e/controlplane"
	"github.com/runecast/runecast/pkg/webhook"
)

const (
	caSecret      = "runecast-ca"
	servingSecret = "runecast-nginx-tls"
	keySecret     = "runecast-review-key"
	frontService  = "runecast-nginx"
	webhookName   = "deny-fixed-critical-and-medium.runecast.com"
	handWebhook   = "by-hand.runecast.com"
)

// TestCertgen starts one API server and runs every test against it, each in a namespace of its own.
func TestCertgen(t *testing.T) {
	t.Parallel()
	l, _, _ := startLab(t)
	for name, test := range l.tests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// serviceRange gives cluster IPs on which a test can listen, others than another test's.
func serviceRange() string { return fmt.Sprintf("127.%d.%d.0/24", 2+rand.IntN(250), rand.IntN(250)) }

// lab is the API server that all tests share.
type lab struct {
	*controlplane.Cluster
}

// place is one test's namespace with the objects that the chart makes, and the servers behind them.
type place struct {
	*lab
	namespace string
	managed   string // the chart's configuration
	byHand    string // one made by hand; not there until a test makes it
	clusterIP string
	as        *rest.Config // certgen's service account in the CronJob
	asHook    *rest.Config // and in the install hook
	front     *front
}

// newPlace makes a namespace with two endpoints of nginx that are ready.
func (l *lab) newPlace(t *testing.T) *place {
	t.Helper()
	created, err := l.Client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "certgen-"}}, metav1.CreateOptions{})
	must(t, err)
	p := &place{lab: l, namespace: created.Name, managed: created.Name + "-chart", byHand: created.Name + "-hand"}
	for _, name := range []string{frontService, "runecast-server"} {
		s, err := l.Client.CoreV1().Services(p.namespace).Create(t.Context(), &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "https", Port: 9080}}},
		}, metav1.CreateOptions{})
		must(t, err)
		if name == frontService {
			p.clusterIP = s.Spec.ClusterIP
		}
	}
	p.as, p.asHook = p.serviceAccount(t, "certgen", false), p.serviceAccount(t, "certgen-hook", true)
	p.front = newFront(t, p, 2)
	return p
}

// serviceAccount gives the client of a service account with the rights that the chart gives it.
func (p *place) serviceAccount(t *testing.T, name string, create bool) *rest.Config {
	t.Helper()
	secrets := []string{caSecret, servingSecret, keySecret}
	rules := []rbac.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: secrets, Verbs: []string{"get", "update", "patch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
	}
	if create {
		rules = append(rules, rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}})
	}
	meta := metav1.ObjectMeta{Name: name}
	clusterMeta := metav1.ObjectMeta{Name: p.namespace + "-" + name}
	subjects := []rbac.Subject{{Kind: "ServiceAccount", Name: name, Namespace: p.namespace}}
	r := p.Client.RbacV1()
	_, err := r.Roles(p.namespace).Create(t.Context(), &rbac.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.RoleBindings(p.namespace).Create(t.Context(), &rbac.RoleBinding{
		ObjectMeta: meta, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "Role", Name: name}, Subjects: subjects,
	}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.ClusterRoles().Create(t.Context(), &rbac.ClusterRole{ObjectMeta: clusterMeta, Rules: []rbac.PolicyRule{{
		APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingwebhookconfigurations"},
		ResourceNames: []string{p.managed, p.byHand}, Verbs: []string{"get", "update", "patch"},
	}}}, metav1.CreateOptions{})
	must(t, err)
	_, err = r.ClusterRoleBindings().Create(t.Context(), &rbac.ClusterRoleBinding{
		ObjectMeta: clusterMeta, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: clusterMeta.Name}, Subjects: subjects,
	}, metav1.CreateOptions{})
	must(t, err)
	config := rest.CopyConfig(p.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + p.namespace + ":" + name, Groups: []string{"system:authenticated"}}
	p.awaitRights(t, config)
	return config
}

// awaitRights waits until the API server goes by rights that were given a moment ago.
func (p *place) awaitRights(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	eventually(t, time.Minute, func() error {
		_, err := client.CoreV1().Secrets(p.namespace).Get(t.Context(), caSecret, metav1.GetOptions{})
		if err == nil || apierrors.IsNotFound(err) {
			_, err = client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), p.managed, metav1.GetOptions{})
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
}

// endpointSlice tells where the front's servers are. The API server takes no loopback addresses, so others stand for them: see front.dial.
func (p *place) endpointSlice(addresses []string) *discovery.EndpointSlice {
	slice := &discovery.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: frontService + "-1", Labels: map[string]string{discovery.LabelServiceName: frontService}},
		AddressType: discovery.AddressTypeIPv4,
		Ports:       []discovery.EndpointPort{{Name: new("https"), Port: new(int32(9443))}, {Name: new("health"), Port: new(int32(8080))}},
	}
	for _, a := range addresses {
		slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{Addresses: []string{a}, Conditions: discovery.EndpointConditions{Ready: new(true)}})
	}
	slice.Endpoints = append(slice.Endpoints, discovery.Endpoint{Addresses: []string{"10.99.0.99"}, Conditions: discovery.EndpointConditions{Ready: new(false)}})
	return slice
}

// configure makes the chart's configuration as Helm renders it: without caBundle and path. It is asked about ConfigMaps of the place's own
// namespace.
func (p *place) configure(t *testing.T) {
	t.Helper()
	c := p.configuration(p.managed, webhookName)
	c.Annotations = map[string]string{webhook.PoliciesAnnotation: `{"` + webhookName + `":"2"}`}
	_, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), c, metav1.CreateOptions{})
	must(t, err)
}

// configureByHand makes a configuration with what an operator copies out of the cluster: tls.crt of the serving Secret as caBundle, and
// the path with the review key, as nothing gives this API server a token.
func (p *place) configureByHand(t *testing.T) *admissionregistration.ValidatingWebhookConfiguration {
	t.Helper()
	c := p.configuration(p.byHand, handWebhook)
	c.Webhooks[0].ClientConfig.CABundle = p.secret(t, servingSecret).Data["tls.crt"]
	c.Webhooks[0].ClientConfig.Service.Path = new(webhook.ReviewPath("2", string(p.secret(t, keySecret).Data["key"])))
	created, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Create(t.Context(), c, metav1.CreateOptions{})
	must(t, err)
	return created
}

func (p *place) configuration(name, webhookName string) *admissionregistration.ValidatingWebhookConfiguration {
	return &admissionregistration.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistration.ValidatingWebhook{{
			Name:         webhookName,
			ClientConfig: admissionregistration.WebhookClientConfig{Service: &admissionregistration.ServiceReference{Namespace: p.namespace, Name: frontService, Port: new(int32(9080))}},
			Rules: []admissionregistration.RuleWithOperations{{
				Operations: []admissionregistration.OperationType{admissionregistration.Create},
				Rule:       admissionregistration.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": p.namespace}},
			FailurePolicy:           new(admissionregistration.Fail),
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionregistration.SideEffectClassNone),
		}},
	}
}

func (p *place) secret(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	s, err := p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), name, metav1.GetOptions{})
	must(t, err)
	return s
}

// client gives the first webhook's clientConfig of a configuration.
func (p *place) clientConfig(t *testing.T, configuration string) admissionregistration.WebhookClientConfig {
	t.Helper()
	c, err := p.Client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(t.Context(), configuration, metav1.GetOptions{})
	must(t, err)
	return c.Webhooks[0].ClientConfig
}

// create creates a ConfigMap as a dry run, which the API server asks the webhooks about.
func (p *place) create(ctx context.Context) error {
	_, err := p.Client.CoreV1().ConfigMaps(p.namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "probe-"}},
		metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	return err
}

// awaitCreate waits until the API server's reviews come through.
func (p *place) awaitCreate(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		before := p.front.reviews.Load()
		if err := p.create(t.Context()); err != nil {
			return err
		}
		if p.front.reviews.Load() == before {
			return errors.New("no review came")
		}
		return nil
	})
}

func eventually(t *testing.T, limit time.Duration, try func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listen listens on an address and closes with the test.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address) //nolint:noctx // loopback, in a test
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}
