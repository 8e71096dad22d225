package controlplane

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const adminToken = "admin-of-the-test" // of a user in system:masters, on loopback, for a minute

// Cluster is a running API server and how to reach it.
type Cluster struct {
	Config     *rest.Config // of a user in system:masters
	Client     kubernetes.Interface
	Kubeconfig string // file, for kubectl
	Kubectl    string // program

	apiServer *Process
}

// WebhookUser is a user of the kubeconfig through which the API server authenticates to webhooks.
type WebhookUser struct {
	Host  string // host:port of the webhook's URL
	Token string
}

// Options say how a control plane is to be. The zero value will do.
type Options struct {
	Users        []WebhookUser
	ServiceRange string // of cluster IPs; with one in 127.0.0.0/8 a test can serve what a Service points to (default 10.0.0.0/24)
}

// Start starts etcd and kube-apiserver in dir, with files laid out as an operator's control plane has them. It
// does not wait for them: see Await.
func Start(ps *Processes, dir string, found Binaries, options Options) (*Cluster, error) {
	ports, err := FreePorts(3)
	if err != nil {
		return nil, err
	}
	for _, write := range []func() error{
		func() error { return servingCertificate(dir) },
		func() error { return serviceAccountKeys(dir) },
		func() error { return writeAdmission(dir, options.Users) },
		func() error {
			return os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(adminToken+",admin,admin,system:masters\n"), 0o600)
		},
	} {
		if err = write(); err != nil {
			return nil, fmt.Errorf("prepare the control plane: %w", err)
		}
	}
	etcdURL := "http://127.0.0.1:" + ports[0]
	if _, err = ps.Add(dir, "etcd", found.Etcd,
		"--data-dir="+filepath.Join(dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:"+ports[1]); err != nil {
		return nil, err
	}
	apiServer, err := ps.Add(dir, "kube-apiserver", found.APIServer,
		"--etcd-servers="+etcdURL,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+ports[2], "--endpoint-reconciler-type=none",
		"--service-cluster-ip-range="+cmp.Or(options.ServiceRange, "10.0.0.0/24"),
		"--tls-cert-file="+filepath.Join(dir, "apiserver.crt"), "--tls-private-key-file="+filepath.Join(dir, "apiserver.key"),
		"--service-account-issuer=https://localhost",
		"--service-account-key-file="+filepath.Join(dir, "service-account.pub"),
		"--service-account-signing-key-file="+filepath.Join(dir, "service-account.key"),
		"--token-auth-file="+filepath.Join(dir, "tokens.csv"), "--authorization-mode=RBAC",
		"--disable-admission-plugins=ServiceAccount", // nothing makes the default service accounts that pods would need
		"--feature-gates=ImageVolume=true",           // on by default from 1.35
		"--admission-control-config-file="+filepath.Join(dir, "runecast-admission-configuration.yaml"))
	if err != nil {
		return nil, err
	}
	return newCluster(dir, "https://127.0.0.1:"+ports[2], found.Kubectl, apiServer)
}

func newCluster(dir, url, kubectl string, apiServer *Process) (*Cluster, error) {
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- {name: test, cluster: {server: %s, certificate-authority: %s}}
users:
- {name: admin, user: {token: %s}}
contexts:
- {name: test, context: {cluster: test, user: admin}}
current-context: test
`, url, filepath.Join(dir, "apiserver.crt"), adminToken), 0o600); err != nil {
		return nil, err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1                           // many tests share the client; the default of 5 a second is for controllers
	config.WarningHandler = rest.NoWarnings{} // a denial's details are read from the message
	config.Timeout = time.Minute              // longer than any webhook's time-out
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Cluster{Config: config, Client: client, Kubeconfig: kubeconfig, Kubectl: kubectl, apiServer: apiServer}, nil
}

// Await waits until the API server calls itself ready.
func (c *Cluster) Await(ctx context.Context) error {
	return c.apiServer.Await(ctx, 2*time.Minute, func(ctx context.Context) error {
		var status int
		result := c.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		if status == http.StatusOK {
			return nil
		}
		return fmt.Errorf("/readyz: status %d: %w", status, result.Error())
	})
}

// writeAdmission writes the two files by which an operator gives the API server its credentials for webhooks. Both are decoded
// strictly and read once, when the API server starts.
func writeAdmission(dir string, users []WebhookUser) error {
	kubeconfig := filepath.Join(dir, "runecast-validating-webhook-kubeconfig.yaml")
	text := []byte("apiVersion: v1\nkind: Config\nusers:\n")
	for _, u := range users {
		text = fmt.Appendf(text, "- name: %q\n  user:\n    token: %q\n", u.Host, u.Token)
	}
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "runecast-admission-configuration.yaml"), fmt.Appendf(nil, `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: %q
`, kubeconfig), 0o600)
}

// FreePorts gives ports of 127.0.0.1 that nothing listens on, all different. They lie below those that the kernel gives to whoever asks for
// any (32768 to 60999 by default), so that between here and the start of a program no connection or server of another suite takes one.
func FreePorts(n int) ([]string, error) {
	const lowest, count, tries = 20000, 12000, 200
	ports := make([]string, 0, n)
	var last error
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := strconv.Itoa(lowest + rand.IntN(count))
		if slices.Contains(ports, port) {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)) //nolint:noctx // binding to loopback does not block
		if err != nil {
			last = err
			continue
		}
		if err := listener.Close(); err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("find %d free ports: %w", n, last)
}
