//go:build e2e

package kind_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"iter"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// awaitPresented waits until every nginx pod presents a certificate, as seen from the node.
func (l *lab) awaitPresented(t *testing.T, leaf string) {
	t.Helper()
	block, _ := pem.Decode([]byte(leaf))
	if block == nil {
		t.Fatal("the serving Secret holds no certificate")
	}
	l.eventually("every nginx to present the new certificate", 4*time.Minute, func(ctx context.Context) error {
		pods, err := l.client.CoreV1().Pods(releaseNamespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=nginx"})
		if err != nil {
			return err
		}
		for i := range pods.Items {
			p := &pods.Items[i]
			if p.DeletionTimestamp != nil {
				continue
			}
			got, err := l.presents(ctx, p.Status.PodIP)
			if err != nil {
				return err
			}
			if !bytes.Equal(got, block.Bytes) {
				return fmt.Errorf("%s presents another", p.Name)
			}
		}
		return nil
	})
}

// presents gives the certificate that a pod presents.
func (l *lab) presents(ctx context.Context, ip string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "docker", "exec", l.node, "curl", "-ksv", "-m", "3", "-o", "/dev/null", "-w", "%{certs}", "https://"+ip+":9080/").Output()
	block, _ := pem.Decode(out)
	if block == nil {
		return nil, fmt.Errorf("no certificate from %s: %w", ip, err)
	}
	return block.Bytes, nil
}

// apply hands objects to kubectl apply or delete.
func (l *lab) apply(t *testing.T, verb, objects string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", verb, "-f", "-")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+l.kubeconfig)
	cmd.Stdin = strings.NewReader(objects)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %s: %v\n%s", verb, err, out)
	}
}

func mapValues(m map[string]string) iter.Seq[string] { return maps.Values(m) }
