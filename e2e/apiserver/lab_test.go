package apiserver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/runecast/runecast/e2e/controlplane"
	"github.com/runecast/runecast/pkg/store"
)

// lab is everything that the tests share: one API server, four servers of the product, one registry.
type lab struct {
	*controlplane.Cluster
	images  images
	store   *store.Store // of the main server
	main    *server      // up all the time
	revoked *server      // loses its token in one test
	stopped *server      // goes down in one test
	secrets *server      // may read the cluster's pull secrets
}

// TestAPIServer starts the lab once and runs every test against it, each in a namespace of its own.
func TestAPIServer(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	t.Run("DeniedPod", l.testDeniedPod)
	t.Run("AllowedPod", l.testAllowedPod)
	t.Run("Kinds", l.testKinds)
	t.Run("EveryPlaceOfAnImage", l.testEveryPlaceOfAnImage)
	t.Run("EphemeralContainers", l.testEphemeralContainers)
	t.Run("DryRun", l.testDryRun)
	t.Run("UnlabelledNamespace", l.testUnlabelledNamespace)
	t.Run("AllNamespaces", l.testAllNamespaces)
	t.Run("KindWithoutImages", l.testKindWithoutImages)
	t.Run("V1beta1", l.testV1beta1)
	t.Run("DecisionLine", l.testDecisionLine)
	t.Run("Kubectl", l.testKubectl)
	t.Run("KubectlSetImage", l.testKubectlSetImage)
	t.Run("UpdatePod", l.testUpdatePod)
	t.Run("UpdateWorkload", l.testUpdateWorkload)
	t.Run("Delete", l.testDelete)
	t.Run("TokenRevoked", l.testTokenRevoked)
	t.Run("ServerDown", l.testServerDown)
	t.Run("SilentRegistry", l.testSilentRegistry)
	t.Run("PullSecrets", l.testPullSecrets)
}

// startLab brings everything up; what does not depend on each other comes up at the same time.
func startLab(t *testing.T) *lab {
	t.Helper()
	found := controlplane.Find(t)
	dir := t.TempDir()
	ps := &controlplane.Processes{}
	t.Cleanup(ps.KillAll)
	controlplane.StopOnSignal(t, ps, dir)

	p := &product{dir: dir}
	must(t, p.build(t.Context()))
	l := &lab{images: serveImages(t)}
	must(t, l.createServers(t.Context(), p))
	var users []controlplane.WebhookUser
	for _, s := range []*server{l.main, l.revoked, l.stopped, l.secrets} {
		users = append(users, controlplane.WebhookUser{Host: s.host, Token: s.token})
	}
	var err error
	l.Cluster, err = controlplane.Start(ps, dir, found, controlplane.Options{Users: users})
	must(t, err)
	must(t, p.buildFeed(t.Context()))
	together, ctx := errgroup.WithContext(t.Context())
	l.secrets.arguments = []string{"--kubeconfig", l.Kubeconfig}
	for _, s := range []*server{l.main, l.revoked, l.stopped, l.secrets} {
		together.Go(func() error { return s.start(ctx, ps) })
	}
	together.Go(func() error { return l.Await(ctx) })
	must(t, together.Wait())
	l.openStore(t)
	must(t, l.register(t.Context()))
	must(t, l.awaitWebhooks(t.Context()))
	return l
}

// createServers fixes ports and tokens of the servers, before the API server reads them.
func (l *lab) createServers(ctx context.Context, p *product) error {
	ports, err := controlplane.FreePorts(4)
	if err != nil {
		return err
	}
	together, ctx := errgroup.WithContext(ctx)
	for i, s := range []**server{&l.main, &l.revoked, &l.stopped, &l.secrets} {
		together.Go(func() error {
			created, err := p.newServer(ctx, []string{"main", "revoked", "stopped", "secrets"}[i], ports[i])
			*s = created
			return err
		})
	}
	return together.Wait()
}

// awaitWebhooks waits until the API server applies the configurations. It learns of them in the order of their creation, so the
// operator's, which is the last, stands for all. Dry runs leave nothing behind.
func (l *lab) awaitWebhooks(ctx context.Context) error {
	namespace, err := l.createNamespace(ctx, map[string]string{policyLabel: "2"})
	if err != nil {
		return err
	}
	return l.awaitReviewed(ctx, namespace)
}

// awaitReviewed waits until a pod with the vulnerable image is refused in a namespace.
func (l *lab) awaitReviewed(ctx context.Context, namespace string) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, last = l.Client.CoreV1().Pods(namespace).Create(ctx, pod("probe", container(l.images.vulnerable)), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return isDenial(last, operatorWebhook), nil
	})
	if err != nil {
		return fmt.Errorf("the webhook is not in force in namespace %s: %w", namespace, errors.Join(err, last))
	}
	return nil
}

// namespace creates a namespace for one test.
func (l *lab) namespace(t *testing.T, labels map[string]string) string {
	t.Helper()
	name, err := l.createNamespace(t.Context(), labels)
	must(t, err)
	return name
}

func (l *lab) createNamespace(ctx context.Context, labels map[string]string) (string, error) {
	created, err := l.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Labels: labels},
	}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("create a namespace: %w", err)
	}
	return created.Name, nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
