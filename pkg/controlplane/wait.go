package controlplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	pollEvery = 500 * time.Millisecond
	// unnoticed is after how long a change of the manifest that was taken back is taken for one that the kubelet did not see: it looks every 20
	// seconds (fileCheckFrequency, https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/).
	unnoticed = 30 * time.Second
	forever   = time.Duration(math.MaxInt64)
	// podLogs has the logs of containers, which stay readable while the API server is down
	// (https://kubernetes.io/docs/concepts/cluster-administration/logging/).
	podLogs  = "/var/log/pods"
	logLines = 5
	logBytes = 8 << 10
)

// await waits until the node's API server runs from the manifest: it is ready, and its own pod has the manifest's arguments and was
// started since. With patience it need not have started again after so long, as a kubelet does not see a change that was taken
// back at once. It gives how the API server is where that does not come about in time.
func (n *Node) await(ctx context.Context, text []byte, since time.Time, patience time.Duration) error {
	m, err := parseManifest(text)
	if err != nil {
		return fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	err = n.until(ctx, func(ctx context.Context) error { return n.serves(ctx, m, since, patience) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("while the API server restarts: %w", err)
	}
	return fmt.Errorf("the API server did not come back within %s: %w%s", n.limit(), err, n.lastWords())
}

// until polls until a check gives nil or the limit is over, and gives the last error of the check; it is a context.Canceled too where the
// caller ended it.
func (n *Node) until(ctx context.Context, check func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, n.limit())
	defer cancel()
	began := time.Now()
	ticker := time.NewTicker(n.every())
	defer ticker.Stop()
	var last error
	for {
		now := check(limited)
		if now == nil {
			return nil
		}
		if last == nil || limited.Err() == nil { // a call that was cut off says less than the one before it
			last = now
		}
		if n.Waiting != nil {
			n.Waiting(time.Since(began), n.limit(), last)
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), last)
			}
			return last
		case <-ticker.C:
		}
	}
}

// serves tells whether the API server runs from the manifest now.
func (n *Node) serves(ctx context.Context, m *manifest, since time.Time, patience time.Duration) error {
	if err := n.API.Ready(ctx); err != nil {
		return err
	}
	pod, err := n.API.Pod(ctx)
	switch {
	case err != nil:
		return err
	case !slices.Equal(pod.Arguments, m.arguments()) || pod.RestartedAt != m.restartedAt():
		return fmt.Errorf("pod %s does not have the manifest's arguments yet", pod.Name)
	case !pod.Running:
		return fmt.Errorf("pod %s is not ready %s", pod.Name, pod.Problem)
	case pod.Started.Before(since.Truncate(time.Second)) && time.Since(since) < patience: // the kubelet's times have no fractions
		return fmt.Errorf("pod %s has not restarted yet", pod.Name)
	}
	return nil
}

// lastWords gives the ends of the API server's last logs, where there are any, for a person to see why it does not start.
func (n *Node) lastWords() string {
	if n.Root != "" && n.Root != "/" {
		return ""
	}
	return lastWordsBelow(podLogs)
}

// lastWordsBelow reads the newest log and, as an attempt that has only begun says little, that of the attempt before.
func lastWordsBelow(dir string) string {
	logs, err := filepath.Glob(filepath.Join(dir, "kube-system_"+container+"-*", container, "*.log"))
	if err != nil || len(logs) == 0 {
		return ""
	}
	written := func(name string) time.Time {
		info, failed := os.Stat(name)
		if failed != nil {
			return time.Time{}
		}
		return info.ModTime()
	}
	slices.SortFunc(logs, func(a, b string) int { return written(a).Compare(written(b)) })
	newest := logs[len(logs)-1]
	words := ""
	if len(logs) > 1 && filepath.Dir(logs[len(logs)-2]) == filepath.Dir(newest) {
		words = endOf(logs[len(logs)-2])
	}
	return words + endOf(newest)
}

// endOf gives the last lines of a log, below a line that names it.
func endOf(name string) string {
	file, err := os.Open(name) //nolint:gosec // found by its place
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, failed := file.Stat(); failed == nil && info.Size() > logBytes {
		_, _ = file.Seek(-logBytes, io.SeekEnd) // else the first bytes are shown
	}
	text, err := io.ReadAll(io.LimitReader(file, logBytes))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	lines = lines[max(0, len(lines)-logLines):]
	return "\nThe end of its log " + name + ":\n  " + strings.Join(lines, "\n  ")
}
