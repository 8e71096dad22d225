package controlplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Where the programs come from when the machine has none.
const (
	setupEnvtest      = "sigs.k8s.io/controller-runtime/tools/setup-envtest@v0.25.1"
	kubernetesVersion = "1.34.x"
	downloadLimit     = 3 * time.Minute
)

// Binaries are the programs of a control plane, as paths.
type Binaries struct {
	Etcd, APIServer, Kubectl string
}

// Find looks in KUBEBUILDER_ASSETS, then on PATH, then asks setup-envtest. Where all three fail it skips the
// test, or fails it when RUNECAST_REQUIRE_APISERVER is set, as in CI, where a silent skip would be a hole.
func Find(t *testing.T) Binaries {
	t.Helper()
	var problems []error
	for _, place := range []func(context.Context) (Binaries, error){fromAssets, fromPath, fromSetupEnvtest} {
		found, err := place(t.Context())
		if err == nil {
			return found
		}
		problems = append(problems, err)
	}
	line := "API SERVER TEST NOT RUN: no etcd, kube-apiserver and kubectl: " +
		strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; ")
	if os.Getenv("RUNECAST_REQUIRE_APISERVER") != "" {
		t.Fatal(line)
	}
	fmt.Fprintln(os.Stderr, "!!! "+line)
	t.Skip(line)
	return Binaries{}
}

func fromAssets(context.Context) (Binaries, error) {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" {
		return Binaries{}, errors.New("KUBEBUILDER_ASSETS is not set")
	}
	return inDir(dir)
}

func fromPath(context.Context) (Binaries, error) {
	return lookUp(func(name string) string { return name })
}

func fromSetupEnvtest(ctx context.Context) (Binaries, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "run", setupEnvtest, "use", "-p", "path", kubernetesVersion)
	cmd.Dir = os.TempDir() // outside this module, whose go.mod does not name the tool
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("%s: %w: %s", setupEnvtest, err, strings.TrimSpace(stderr.String()))
	}
	return inDir(strings.TrimSpace(string(out)))
}

func inDir(dir string) (Binaries, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return Binaries{}, err
	}
	return lookUp(func(name string) string { return filepath.Join(absolute, name) })
}

func lookUp(where func(name string) string) (Binaries, error) {
	var found Binaries
	for _, program := range []struct {
		name string
		path *string
	}{{"etcd", &found.Etcd}, {"kube-apiserver", &found.APIServer}, {"kubectl", &found.Kubectl}} {
		var err error
		if *program.path, err = exec.LookPath(where(program.name)); err != nil {
			return Binaries{}, err
		}
	}
	return found, nil
}
