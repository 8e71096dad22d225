//go:build e2e

package kind_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/yaml"
)

// imagePrefix is what `make e2e` calls the images by, before their names.
const imagePrefix = "runecast.test/"

// lab is one cluster with the images of this tree in it and a registry beside it.
type lab struct {
	t          *testing.T // of the part that is running
	name       string
	dir        string
	kubeconfig string
	node       string // name of the control plane's container
	client     kubernetes.Interface
	config     *rest.Config
	registry   *registry
	tag        string
}

// newLab makes a cluster, which goes with the test; its logs are kept when the test fails.
func newLab(t *testing.T, name string, change func(*v1alpha4.Cluster)) *lab {
	t.Helper()
	l := &lab{t: t, name: name, dir: t.TempDir(), node: name + "-control-plane", tag: os.Getenv("RUNECAST_E2E_TAG")}
	if l.tag == "" {
		t.Fatal("RUNECAST_E2E_TAG does not name the images: run make e2e")
	}
	l.kubeconfig = filepath.Join(l.dir, "kubeconfig")
	config := baseConfig(t)
	change(config)
	provider := cluster.NewProvider(cluster.ProviderWithDocker())
	if os.Getenv("KIND_NODE_IMAGE") != "" { // kind's own images of today have it
		config.ContainerdConfigPatches = append(config.ContainerdConfigPatches, "[plugins.\"io.containerd.grpc.v1.cri\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n")
	}
	options := []cluster.CreateOption{cluster.CreateWithV1Alpha4Config(config), cluster.CreateWithKubeconfigPath(l.kubeconfig), cluster.CreateWithWaitForReady(3 * time.Minute)}
	if image := os.Getenv("KIND_NODE_IMAGE"); image != "" {
		options = append(options, cluster.CreateWithNodeImage(image))
	}
	_ = provider.Delete(name, l.kubeconfig) // what a run that was killed left behind
	t.Cleanup(func() {
		if t.Failed() {
			keepLogs(t, provider, name)
		}
		if err := provider.Delete(name, l.kubeconfig); err != nil {
			t.Errorf("delete cluster %s: %v", name, err)
		}
	})
	began := time.Now()
	if err := provider.Create(name, options...); err != nil {
		t.Fatalf("create cluster %s: %v", name, err)
	}
	t.Logf("cluster %s is there after %s", name, time.Since(began).Round(time.Second))
	l.connect()
	l.storage()
	l.loadImages()
	l.registry = newRegistry(t, l)
	return l
}

// baseConfig is what every cluster of this machine needs.
func baseConfig(t *testing.T) *v1alpha4.Cluster {
	t.Helper()
	config := &v1alpha4.Cluster{TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"}}
	if path := os.Getenv("KIND_BASE_CONFIG"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, config); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	// Kubelets bring a changed Secret into pods within a minute or two; the suite has it sooner, to be done sooner.
	config.KubeadmConfigPatches = append(config.KubeadmConfigPatches, "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nsyncFrequency: 5s\n")
	if len(config.Nodes) == 0 {
		config.Nodes = []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}}
	}
	return config
}

// keepLogs exports the logs of a cluster that failed to RUNECAST_E2E_LOGS.
func keepLogs(t *testing.T, provider *cluster.Provider, name string) {
	t.Helper()
	dir := os.Getenv("RUNECAST_E2E_LOGS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "runecast-e2e")
	}
	dir = filepath.Join(dir, name)
	if err := provider.CollectLogs(name, dir); err != nil {
		t.Logf("export the logs of %s: %v", name, err)
	}
	t.Logf("the logs of %s are in %s", name, dir)
}

// connect makes a client; after a restart of the node its address may be another.
func (l *lab) connect() {
	l.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", l.kubeconfig)
	if err != nil {
		l.t.Fatal(err)
	}
	config.QPS, config.Burst = 500, 1000
	config.Timeout = 40 * time.Second
	config.WarningHandler = rest.NoWarnings{}
	l.config = config
	if l.client, err = kubernetes.NewForConfig(config); err != nil {
		l.t.Fatal(err)
	}
}

// loadImages takes the images of this tree into the node.
func (l *lab) loadImages() {
	l.t.Helper()
	archive := filepath.Join(l.dir, "images.tar")
	l.run("docker", "save", "-o", archive, imagePrefix+"runecast:"+l.tag, imagePrefix+"runecast-certgen:"+l.tag, imagePrefix+"runecast-nginx:"+l.tag)
	file, err := os.Open(archive)
	if err != nil {
		l.t.Fatal(err)
	}
	defer file.Close()
	cmd := exec.CommandContext(l.t.Context(), "docker", "exec", "-i", l.node, "ctr", "-n", "k8s.io", "images", "import", "--all-platforms", "--digests", "-")
	cmd.Stdin = file
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("load the images: %v\n%s", err, out)
	}
	_ = os.Remove(archive)
}

// run gives what a command prints on standard output, with the lab's kubeconfig.
func (l *lab) run(args ...string) string {
	l.t.Helper()
	out, errs, err := l.try(args...)
	if err != nil {
		l.t.Fatalf("%s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

func (l *lab) try(args ...string) (out, errs string, err error) {
	cmd := exec.CommandContext(l.t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

// kubectl runs kubectl on the cluster.
func (l *lab) kubectl(args ...string) string {
	l.t.Helper()
	return l.run(append([]string{"kubectl"}, args...)...)
}

// eventually polls until check gives nil, and fails the test with its last error after a while.
func (l *lab) eventually(what string, within time.Duration, check func(context.Context) error) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), within)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			l.t.Fatalf("%s: not within %s: %v", what, within, err)
		case <-ticker.C:
		}
	}
}

// gateway is the address of this machine in the node's network.
func (l *lab) gateway() string {
	l.t.Helper()
	gateways := strings.Fields(l.run("docker", "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}} {{end}}", l.node))
	if len(gateways) > 0 {
		return gateways[0]
	}
	l.t.Fatal("the node has no gateway")
	return ""
}

// writeOnNode writes a file in the node's container.
func (l *lab) writeOnNode(path, content string) {
	l.t.Helper()
	script := fmt.Sprintf("mkdir -p %q && cat > %q", filepath.Dir(path), path)
	cmd := exec.CommandContext(l.t.Context(), "docker", "exec", "-i", l.node, "sh", "-c", script)
	cmd.Stdin = strings.NewReader(content)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("write %s on the node: %v\n%s", path, err, out)
	}
}
