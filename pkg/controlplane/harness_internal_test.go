package controlplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testAddress = "runecast-nginx.runecast.svc:9080"
	testToken   = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
	otherToken  = "3756cda9-ac05-4b6d-8e94-f27c84e93377"
)

// testManifest is a manifest as kubeadm lays it out, shortened.
const testManifest = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 127.0.0.1:6443
  labels:
    component: kube-apiserver
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=127.0.0.1
    # kept
    - --allow-privileged=true
    name: kube-apiserver
    volumeMounts:
    - mountPath: /etc/ssl/certs
      name: ca-certs
      readOnly: true
  volumes:
  - hostPath:
      path: /etc/ssl/certs
      type: DirectoryOrCreate
    name: ca-certs
status: {}
`

// newRoot makes a node's file system.
func newRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	at := filepath.Join(root, ManifestFile)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(testManifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

// snapshot is every file and folder of a root with its permissions and bytes.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := []byte{}
		if info.Mode().IsRegular() {
			if text, err = os.ReadFile(name); err != nil {
				return err
			}
		}
		all[strings.TrimPrefix(name, root)] = info.Mode().String() + "\n" + string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// differ tells how two snapshots differ.
func differ(is, was map[string]string) string {
	var b strings.Builder
	for name, text := range is {
		if before, ok := was[name]; !ok {
			fmt.Fprintf(&b, "%s is new\n", name)
		} else if before != text {
			fmt.Fprintf(&b, "%s was\n%s\nis\n%s\n", name, before, text)
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			fmt.Fprintf(&b, "%s is gone\n", name)
		}
	}
	return b.String()
}

// fakeServer stands for a kubelet and the API server that it keeps running from the manifest. A real pair is in e2e/kind; this one
// can be made to fail at will, and restarts in no time.
type fakeServer struct {
	root   string
	broken func(*manifest) bool // the API server does not come up from a manifest

	mu      sync.Mutex
	text    []byte
	pod     *manifest
	started time.Time
	secret  map[string]any
	nodes   []string
	answers string           // metrics of webhooks
	create  http.HandlerFunc // of the pod of a verification, which may change them
}

// newServer starts it.
func newServer(t *testing.T, root string) (*fakeServer, *API) {
	t.Helper()
	f := &fakeServer{root: root, broken: func(*manifest) bool { return false }, nodes: []string{"node-1"}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, NewAPI(server.Client(), server.URL)
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, err := os.ReadFile(filepath.Join(f.root, ManifestFile))
	if err == nil && !bytes.Equal(text, f.text) {
		f.text, f.started = text, time.Now()
		if f.pod, err = parseManifest(text); err == nil && f.broken(f.pod) {
			f.pod = nil
		}
	}
	if f.pod == nil {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	type object = map[string]any
	var answer any = object{}
	switch {
	case r.URL.Path == "/readyz":
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/namespaces/shop/pods"):
		f.create(w, r)
		return
	case r.URL.Path == "/metrics":
		_, _ = w.Write([]byte("# TYPE " + webhookRequests + " counter\n" + f.answers)) // the client sees what is missing
		return
	case strings.HasSuffix(r.URL.Path, "/namespaces"):
		answer = object{"items": []object{{"metadata": object{"name": "shop"}, "status": object{"phase": "Active"}}}}
	case strings.HasSuffix(r.URL.Path, "/pods"):
		answer = object{"items": []object{{
			"metadata": object{"name": "kube-apiserver-node-1", "annotations": map[string]string{restartKey: f.pod.restartedAt()}},
			"spec":     object{"nodeName": "node-1", "containers": []object{{"name": container, "command": f.pod.arguments()}}},
			"status": object{"hostIP": "127.0.0.1", "containerStatuses": []object{{
				"name": container, "ready": true, "state": object{"running": object{"startedAt": f.started.Format(time.RFC3339)}},
			}}},
		}}}
	case strings.HasSuffix(r.URL.Path, "/nodes"):
		items := []object{}
		for _, name := range f.nodes {
			items = append(items, object{"metadata": object{"name": name}})
		}
		answer = object{"items": items}
	case strings.Contains(r.URL.Path, "/secrets/"):
		if r.Method == http.MethodPatch {
			f.patch(w, r)
			return
		}
		answer = f.secret
	case strings.HasSuffix(r.URL.Path, "webhookconfigurations"):
		items := []object{}
		if f.create != nil {
			items = append(items, object{"webhooks": []object{{
				"name":              "deny.runecast.com",
				"clientConfig":      object{"service": object{"namespace": "runecast", "name": "runecast-nginx", "port": 9080, "path": "/rc2/api/v2/k8s-admission-policy-review/policy/2"}},
				"namespaceSelector": object{"matchLabels": object{"runecast-admission-policy": "2"}},
			}}})
		}
		answer = object{"items": items}
	default:
		http.NotFound(w, r)
		return
	}
	send(w, answer)
}

func send(w http.ResponseWriter, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // the client sees what is missing
}

// patch merges as RFC 7396 says, two levels deep.
func (f *fakeServer) patch(w http.ResponseWriter, r *http.Request) {
	var patch map[string]map[string]any
	if err := json.NewDecoder(r.Body).Decode(&patch); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	merge(f.secret, patch["data"], "data")
	annotations, _ := patch["metadata"]["annotations"].(map[string]any)
	metadata, _ := f.secret["metadata"].(map[string]any)
	merge(metadata, annotations, "annotations")
	send(w, f.secret)
}

func merge(object, patch map[string]any, key string) {
	into, _ := object[key].(map[string]any)
	if into == nil {
		into = map[string]any{}
		object[key] = into
	}
	for name, value := range patch {
		if value == nil {
			delete(into, name)
		} else {
			into[name] = value
		}
	}
}

// testNode is a node with its API server.
func testNode(root string, api *API) *Node {
	return &Node{Root: root, API: api, Limit: 20 * time.Second, poll: 5 * time.Millisecond, late: 2 * time.Second}
}

func testOptions() Options {
	return Options{Address: testAddress, Token: testToken, Now: func() time.Time { return time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC) }}
}

// clientForChild is the client of a process that is killed.
func clientForChild() *http.Client { return &http.Client{Timeout: 10 * time.Second} }
