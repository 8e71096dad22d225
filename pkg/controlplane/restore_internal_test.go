package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// overwrite changes a file of a node.
func overwrite(t *testing.T, root, name string, change func(string) string) {
	t.Helper()
	at := filepath.Join(root, name)
	text, err := os.ReadFile(at)
	if err == nil {
		err = os.WriteFile(at, []byte(change(string(text))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondRunChangesNothing(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	_, api := newServer(t, root)
	n, o := testNode(root, api), testOptions()
	if plan, err := n.Configure(t.Context(), o); err != nil || plan.Done {
		t.Fatalf("%+v %v", plan, err)
	}
	was := snapshot(t, root)
	for _, token := range []string{testToken, ""} {
		o.Token = token
		if plan, err := n.Configure(t.Context(), o); err != nil || !plan.Done {
			t.Errorf("%+v %v", plan, err)
		}
	}
	if text := differ(snapshot(t, root), was); text != "" {
		t.Error(text)
	}
	info, err := os.Stat(filepath.Join(root, KubeconfigFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig: %v %v", info, err)
	}
}

// TestRestoreAfterChanges has others change the node between configure and restore.
func TestRestoreAfterChanges(t *testing.T) {
	t.Parallel()
	const more = "    - --v=4\n"
	upgrade := func(text string) string { return strings.Replace(text, "    # kept\n", more+"    # kept\n", 1) }
	for name, test := range map[string]struct {
		change func(t *testing.T, root string, n *Node)
		want   func(map[string]string) map[string]string
	}{
		"a flag": {func(t *testing.T, root string, _ *Node) { t.Helper(); overwrite(t, root, ManifestFile, upgrade) }, func(was map[string]string) map[string]string {
			was[ManifestFile] = upgrade(was[ManifestFile])
			return was
		}},
		"an upgrade wrote the manifest anew": {func(t *testing.T, root string, _ *Node) {
			t.Helper()
			overwrite(t, root, ManifestFile, func(string) string { return upgrade(testManifest) })
		}, func(was map[string]string) map[string]string {
			was[ManifestFile] = upgrade(was[ManifestFile])
			return was
		}},
		"a token and a flag": {func(t *testing.T, root string, n *Node) {
			t.Helper()
			o := testOptions()
			o.Token = otherToken
			if _, err := n.Configure(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(readManifest(t, root), `runecast.com/restartedAt: "2026-11-27T12:00:00Z"`) {
				t.Error("the manifest has no annotation that restarts the pod")
			}
			overwrite(t, root, ManifestFile, upgrade)
		}, func(was map[string]string) map[string]string {
			was[ManifestFile] = upgrade(was[ManifestFile])
			return was
		}},
		"configured again after an upgrade": {func(t *testing.T, root string, n *Node) {
			t.Helper()
			overwrite(t, root, ManifestFile, func(string) string { return upgrade(testManifest) })
			if _, err := n.Configure(t.Context(), testOptions()); err != nil {
				t.Fatal(err)
			}
		}, func(was map[string]string) map[string]string {
			was[ManifestFile] = upgrade(was[ManifestFile])
			return was
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRoot(t)
			want := test.want(snapshot(t, root))
			_, api := newServer(t, root)
			n := testNode(root, api)
			if _, err := n.Configure(t.Context(), testOptions()); err != nil {
				t.Fatal(err)
			}
			test.change(t, root, n)
			before := snapshot(t, root)
			dry, err := n.Restore(t.Context(), true)
			if err != nil || dry.Done || differ(snapshot(t, root), before) != "" {
				t.Fatalf("a dry run: %+v %v", dry, err)
			}
			for i := range dry.Files {
				if strings.Contains(dry.Files[i].Diff, testToken) || strings.Contains(dry.Files[i].Diff, otherToken) {
					t.Errorf("the token is shown: %s", dry.Files[i].Diff)
				}
			}
			if _, err := n.Restore(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if text := differ(snapshot(t, root), want); text != "" {
				t.Error(text)
			}
			if _, err := n.Restore(t.Context(), false); !errors.Is(err, ErrNotConfigured) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// TestRestoreKeepsWhatOthersWrote leaves a kubeconfig that somebody changed.
func TestRestoreKeepsWhatOthersWrote(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	_, api := newServer(t, root)
	n := testNode(root, api)
	if _, err := n.Configure(t.Context(), testOptions()); err != nil {
		t.Fatal(err)
	}
	overwrite(t, root, KubeconfigFile, func(text string) string { return text + "# mine\n" })
	if _, err := n.Restore(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(root, KubeconfigFile)); err != nil || !strings.HasSuffix(string(text), "# mine\n") {
		t.Errorf("the kubeconfig: %s %v", text, err)
	}
	if readManifest(t, root) != testManifest {
		t.Error("the manifest is not as it was")
	}
}

// TestRestoreGivesTheOtherConfigurationBack undoes the merge with the file of another plugin.
func TestRestoreGivesTheOtherConfigurationBack(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	overwrite(t, root, ManifestFile, func(text string) string {
		return strings.Replace(text, "    # kept\n", "    - "+admissionFlag+"=/etc/ssl/certs/admission.yaml\n    # kept\n", 1)
	})
	used := filepath.Join(root, "etc", "ssl", "certs", "admission.yaml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(used), 0o755), os.WriteFile(used, []byte("apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: PodSecurity\n  path: p.yaml\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	was := snapshot(t, root)
	_, api := newServer(t, root)
	n := testNode(root, api)
	if _, err := n.Configure(t.Context(), testOptions()); err != nil {
		t.Fatal(err)
	}
	overwrite(t, root, ManifestFile, func(text string) string { return strings.Replace(text, "    # kept\n", "    # kept too\n", 1) })
	if _, err := n.Restore(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	was[ManifestFile] = strings.Replace(was[ManifestFile], "    # kept\n", "    # kept too\n", 1)
	if text := differ(snapshot(t, root), was); text != "" {
		t.Error(text)
	}
}

// TestRotation goes through two nodes, and is begun anew where it was cut off. A real one is in e2e/kind.
func TestRotation(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	fake, api := newServer(t, root)
	fake.nodes = []string{"node-1", "node-2"}
	type object = map[string]any
	fake.secret = object{"metadata": object{"resourceVersion": "7"}, "data": object{"kube-apiserver": []byte(testToken), "ci": []byte(otherToken)}}
	n, o := testNode(root, api), testOptions()
	n.Try = fakeTry(fake)
	if _, err := n.Rotate(t.Context(), o, "runecast/api-tokens"); err == nil || !strings.Contains(err.Error(), "run configure first") {
		t.Errorf("a node that is not set up: %v", err)
	}
	if _, err := n.Configure(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Token = ""
	dry, err := n.PlanRotation(t.Context(), o, "runecast/api-tokens")
	if err != nil || dry.Old != "kube-apiserver" || !slices.Equal(dry.Remaining, []string{"node-1", "node-2"}) || len(fake.keys()) != 2 {
		t.Errorf("a dry run: %+v %v", dry, err)
	}
	r, err := n.Rotate(t.Context(), o, "runecast/api-tokens")
	if err != nil || r.Revoked || r.Old != "kube-apiserver" || !slices.Equal(r.Nodes, []string{"node-1"}) || !slices.Equal(r.Remaining, []string{"node-2"}) {
		t.Fatalf("the first node: %+v %v", r, err)
	}
	if keys := fake.keys(); !slices.Equal(keys, []string{"ci", "kube-apiserver", r.Key}) {
		t.Errorf("the Secret has %v", keys)
	}
	if strings.Contains(snapshot(t, root)[KubeconfigFile], testToken) {
		t.Error("the node has the old token yet")
	}
	fake.mu.Lock()
	fake.nodes = []string{"node-1"} // the other one went
	fake.mu.Unlock()
	if r, err = n.Rotate(t.Context(), o, "runecast/api-tokens"); err != nil || !r.Revoked || len(r.Remaining) != 0 {
		t.Fatalf("the last node: %+v %v", r, err)
	}
	if keys := fake.keys(); !slices.Equal(keys, []string{"ci", r.Key}) {
		t.Errorf("the Secret has %v", keys)
	}
	n.Limit = 100 * time.Millisecond
	n.Try = (&Webhook{Address: "127.0.0.1:1"}).Try
	if _, err = n.Rotate(t.Context(), o, "runecast/api-tokens"); err == nil || !strings.Contains(err.Error(), "does not take the new token; run again to go on") {
		t.Errorf("a webhook that does not answer: %v", err)
	}
	for _, name := range []string{"", "api-tokens", "a/b/c"} {
		if _, err = n.Rotate(t.Context(), o, name); err == nil || !strings.Contains(err.Error(), "write namespace/name") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func (f *fakeServer) keys() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, _ := f.secret["data"].(map[string]any)
	var keys []string
	for key := range data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// fakeTry takes the tokens of the Secret.
func fakeTry(f *fakeServer) func(context.Context, string) error {
	return func(_ context.Context, token string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		text, err := json.Marshal(f.secret["data"])
		if err != nil {
			return err
		}
		var data map[string][]byte
		if err := json.Unmarshal(text, &data); err != nil {
			return err
		}
		for _, value := range data {
			if string(value) == token {
				return nil
			}
		}
		return errors.New("401")
	}
}
