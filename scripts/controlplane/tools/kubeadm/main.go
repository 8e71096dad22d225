// Command kubeadm writes the API server's static pod manifest as the kubeadm of one version of Kubernetes does, by kubeadm's own
// package. kubeadm mounts those folders with certificates, such as /usr/share/ca-certificates, that the machine it runs on has; so
// does this. It is for the goldens of pkg/controlplane alone.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"k8s.io/kubernetes/cmd/kubeadm/app/constants"
	"k8s.io/kubernetes/cmd/kubeadm/app/phases/controlplane"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/config"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kubeadm:", err)
		os.Exit(1)
	}
}

// run writes the manifest into a folder.
func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: kubeadm FOLDER")
	}
	version, err := kubernetes()
	if err != nil {
		return err
	}
	// kubeadm hands the proxy settings of its environment on to the pod.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			if err := os.Unsetenv(name); err != nil {
				return fmt.Errorf("leave %s out: %w", name, err)
			}
		}
	}
	cfg, err := config.DefaultedStaticInitConfiguration()
	if err != nil {
		return fmt.Errorf("kubeadm's default configuration: %w", err)
	}
	cfg.KubernetesVersion = version
	cfg.Networking.PodSubnet = "10.244.0.0/16"
	cfg.LocalAPIEndpoint.AdvertiseAddress = "192.0.2.10" // of the addresses for documentation, RFC 5737
	if err := controlplane.CreateStaticPodFiles(args[0], "", &cfg.ClusterConfiguration, &cfg.LocalAPIEndpoint, false, constants.KubeAPIServer); err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	return nil
}

// kubernetes gives the version of Kubernetes that this program was built with.
func kubernetes() (string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", fmt.Errorf("this program does not know its modules")
	}
	for _, module := range info.Deps {
		if module.Path == "k8s.io/kubernetes" {
			return module.Version, nil
		}
	}
	return "", fmt.Errorf("this program has no Kubernetes in it")
}
