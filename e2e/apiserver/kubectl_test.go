package apiserver_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/policy"
)

// runKubectl runs the real kubectl and gives what it prints.
func (l *lab) runKubectl(t *testing.T, namespace, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cache := filepath.Join(filepath.Dir(l.Kubeconfig), "kubectl-cache")
	cmd := exec.CommandContext(t.Context(), l.Kubectl,
		append([]string{"--kubeconfig", l.Kubeconfig, "--cache-dir", cache, "--namespace", namespace}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdin = strings.NewReader(stdin)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err = cmd.Run()
	return out.String(), problems.String(), err
}

// wantKubectlDenial checks that kubectl fails and that the first line it prints is the denial behind kubectl's own words.
func wantKubectlDenial(t *testing.T, ownWords, stderr string, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("kubectl succeeded, want a denial")
	}
	line, _, _ := strings.Cut(stderr, "\n")
	if want := ownWords + firstLine(operatorWebhook); line != want {
		t.Errorf("got:  %s\nwant: %s", stderr, want)
	}
}

// testKubectl creates workloads as users do. The line of "run" is the one that the contract gives to the letter; a reason in the
// status would change all of them.
func (l *lab) testKubectl(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	for name, test := range map[string]struct {
		ownWords string
		args     []string // {} stands for the image
	}{
		"run":               {"Error from server: ", []string{"run", "run", "--image", "{}"}},
		"create-deployment": {"error: failed to create deployment: ", []string{"create", "deployment", "web", "--image", "{}"}},
		"create-file":       {`Error from server: error when creating "STDIN": `, []string{"create", "-f", "-"}},
		"apply":             {`Error from server: error when creating "STDIN": `, []string{"apply", "-f", "-"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kubectl := func(img testImage) (stdout, stderr string, err error) {
				manifest := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: app, image: %q}]}\n", name, img.reference)
				args := slices.Clone(test.args)
				for i := range args {
					args[i] = strings.ReplaceAll(args[i], "{}", img.reference)
				}
				return l.runKubectl(t, namespace, manifest, args...)
			}
			_, stderr, err := kubectl(l.images.vulnerable)
			wantKubectlDenial(t, test.ownWords, stderr, err)
			stdout, stderr, err := kubectl(l.images.fixed)
			if err != nil || !strings.HasSuffix(stdout, " created\n") {
				t.Errorf("kubectl with the fixed image: %v %s%s", err, stdout, stderr)
			}
		})
	}
}

func (l *lab) testKubectlSetImage(t *testing.T) {
	t.Parallel()
	namespace := l.namespace(t, map[string]string{policyLabel: "2"})
	_, err := l.Client.AppsV1().Deployments(namespace).Create(t.Context(), deployment("web", container(l.images.fixed)), metav1.CreateOptions{})
	must(t, err)
	_, stderr, err := l.runKubectl(t, namespace, "", "set", "image", "deployment/web", "app="+l.images.vulnerable.reference)
	wantKubectlDenial(t, "error: failed to patch image update to pod template: ", stderr, err)
	d := l.decisionOf(t, namespace, "web", "UPDATE")
	wantDecision(t, &d, "UPDATE Deployment", policy.VerdictDeny, l.images.vulnerable)
	now, err := l.Client.AppsV1().Deployments(namespace).Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if image := now.Spec.Template.Spec.Containers[0].Image; image != l.images.fixed.reference {
		t.Errorf("the deployment has image %s after a denial", image)
	}
	byDigest := strings.TrimSuffix(l.images.fixed.reference, ":1.19-fixed") + "@" + l.images.fixed.digest
	if _, stderr, err = l.runKubectl(t, namespace, "", "set", "image", "deployment/web", "app="+byDigest); err != nil {
		t.Errorf("kubectl set image to the fixed one by digest: %v %s", err, stderr)
	}
}
