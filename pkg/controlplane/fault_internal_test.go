package controlplane

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaultAtEveryChange has every change of the file system fail in turn, as on a disk that fills up. Not one byte of the node is another
// afterwards.
func TestFaultAtEveryChange(t *testing.T) {
	t.Parallel()
	was, is := snapshot(t, newRoot(t)), configured(t)
	room := func(name string) error { // what removes or renames needs no room
		if strings.HasPrefix(name, "create") || strings.HasPrefix(name, "write") || strings.HasPrefix(name, "mkdir") {
			return syscall.ENOSPC
		}
		return nil
	}
	once := func(string) error { return syscall.EIO }
	for name, stop := range map[string]func(string) error{"full": room, "broken once": once} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for after := 0; ; after++ {
				root := newRoot(t)
				_, api := newServer(t, root)
				n := testNode(root, api)
				d, done, err := newDisk(root)
				if err != nil {
					t.Fatal(err)
				}
				c := &counting{disk: d, left: after}
				c.stop = func(at string) error {
					if name == "broken once" && c.left < -1 {
						return nil
					}
					return stop(at)
				}
				n.disk = c
				_, err = n.Configure(t.Context(), testOptions())
				if now := snapshot(t, root); err != nil && differ(now, was) != "" && differ(now, is) != "" {
					t.Fatalf("after %d changes: %v\n%s", after, err, differ(now, was))
				}
				if failed := done(); failed != nil {
					t.Fatal(failed)
				}
				if c.left >= 0 {
					if after < 20 || err != nil {
						t.Errorf("%d changes were counted: %v", after, err)
					}
					break
				}
			}
		})
	}
}

// TestRealFileSystems has the kernel refuse: a file system that is full, and one that is read-only.
func TestRealFileSystems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(t *testing.T, root string)
		want  error
	}{
		"full": {func(t *testing.T, root string) {
			t.Helper()
			filler, err := os.Create(filepath.Join(root, "filler"))
			if err != nil {
				t.Fatal(err)
			}
			defer filler.Close()
			for err == nil {
				_, err = filler.Write(make([]byte, 4096))
			}
		}, syscall.ENOSPC},
		"read-only": {func(t *testing.T, root string) {
			t.Helper()
			// A process that is being started may have a file of it open for a moment.
			err := syscall.EBUSY
			for deadline := time.Now().Add(10 * time.Second); errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); {
				err, _ = syscall.Mount("", root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "").(syscall.Errno) //nolint:errorlint // 0 where there is none
			}
			if err != 0 {
				t.Fatal(err)
			}
		}, syscall.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=64k"); err != nil {
				t.Skipf("file systems can be mounted by root alone: %v", err)
			}
			t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
			at := filepath.Join(root, ManifestFile)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(testManifest), 0o600)); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, root)
			was := snapshot(t, root)
			_, api := newServer(t, root)
			if _, err := testNode(root, api).Configure(t.Context(), testOptions()); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if text := differ(snapshot(t, root), was); text != "" {
				t.Error(text)
			}
		})
	}
}

// review answers reviews as the server does.
func review(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testToken {
			code = http.StatusUnauthorized
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"response": {"allowed": true}}`))
	}
}

// TestBadInputChangesNothing gives what is wrong, and looks at the text and at every byte of the node.
func TestBadInputChangesNothing(t *testing.T) {
	t.Parallel()
	webhook := func(t *testing.T, code int) *Webhook {
		t.Helper()
		server := httptest.NewTLSServer(review(code))
		t.Cleanup(server.Close)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		return &Webhook{Address: "example.com:9080", Endpoint: server.Listener.Addr().String(), Authorities: ca, Policy: "2"}
	}
	files := func(root, name, text string) {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755), os.WriteFile(filepath.Join(root, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	flag := "    - " + admissionFlag + "=" + AdmissionFile + "\n"
	for name, test := range map[string]struct {
		spoil func(t *testing.T, root string, n *Node, o *Options)
		want  string
	}{
		"no manifest": {func(_ *testing.T, root string, _ *Node, _ *Options) { _ = os.Remove(filepath.Join(root, ManifestFile)) }, "this is no control-plane node of kubeadm"},
		"no folder":   {func(_ *testing.T, root string, _ *Node, _ *Options) { _ = os.RemoveAll(filepath.Join(root, "etc")) }, "this is no control-plane node of kubeadm"},
		"no pod":      {func(_ *testing.T, root string, _ *Node, _ *Options) { files(root, ManifestFile, "kind: Service\n") }, `it is of kind "Service", not a Pod`},
		"flag twice": {func(_ *testing.T, root string, _ *Node, _ *Options) {
			files(root, ManifestFile, strings.Replace(testManifest, "    # kept\n", flag+flag, 1))
		}, "it gives the flag --admission-control-config-file twice"},
		"no token":             {func(_ *testing.T, _ string, _ *Node, o *Options) { o.Token = "" }, "the API token is not known: give it with --token-file"},
		"address":              {func(_ *testing.T, _ string, _ *Node, o *Options) { o.Address = "https://runecast" }, "write host:port"},
		"kubeconfig of others": {func(_ *testing.T, root string, _ *Node, _ *Options) { files(root, KubeconfigFile, "kind: Pod\n") }, `it is of kind "Pod", not a Config`},
		"folder in the way":    {func(_ *testing.T, root string, _ *Node, _ *Options) { files(root, ConfigDir, "") }, "not a directory"},
		"unreachable": {func(t *testing.T, _ string, n *Node, _ *Options) {
			t.Helper()
			w := webhook(t, http.StatusOK)
			w.Endpoint = "127.0.0.1:1"
			n.Try = w.Try
		}, "it cannot be reached from this node"},
		"certificate of another": {func(t *testing.T, _ string, n *Node, _ *Options) {
			t.Helper()
			w := webhook(t, http.StatusOK)
			w.Authorities = nil
			n.Try = w.Try
		}, "certificate signed by unknown authority"},
		"token refused": {func(t *testing.T, _ string, n *Node, o *Options) {
			t.Helper()
			n.Try, o.Token = webhook(t, http.StatusOK).Try, otherToken
		}, "it refuses the token (401)"},
		"token that may not review": {func(t *testing.T, _ string, n *Node, _ *Options) {
			t.Helper()
			n.Try = webhook(t, http.StatusForbidden).Try
		}, "the token may not review (403)"},
		"policy unknown": {func(t *testing.T, _ string, n *Node, _ *Options) {
			t.Helper()
			n.Try = webhook(t, http.StatusNotFound).Try
		}, "it does not know the policy (404)"},
		"API server down": {func(_ *testing.T, _ string, n *Node, _ *Options) {
			n.API = NewAPI(http.DefaultClient, "http://127.0.0.1:1")
		}, "the API server is not well before the change"},
		"record of another": {func(_ *testing.T, root string, _ *Node, _ *Options) { files(root, stateFile, `{"version": 7}`) }, "is of version 7"},
		"record is no JSON": {func(_ *testing.T, root string, _ *Node, _ *Options) { files(root, stateFile, "{") }, "record " + stateFile},
		"another run": {func(t *testing.T, root string, _ *Node, _ *Options) {
			t.Helper()
			lock, err := os.Open(filepath.Join(root, lockedFolder))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = lock.Close() })
			if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
		}, "another run works on this node"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRoot(t)
			_, api := newServer(t, root)
			n, o := testNode(root, api), testOptions()
			test.spoil(t, root, n, &o)
			was := snapshot(t, root)
			_, err := n.Configure(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testToken) || strings.Contains(err.Error(), otherToken) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if text := differ(snapshot(t, root), was); text != "" {
				t.Error(text)
			}
		})
	}
}

// TestNoPermission is the tool run by somebody who may not write.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	_, api := newServer(t, root)
	n := testNode(root, api)
	d, _, err := newDisk(root)
	if err != nil {
		t.Fatal(err)
	}
	n.disk = &counting{disk: d, stop: func(string) error { return os.ErrPermission }} // root may do all, so the kernel does not refuse here
	was := snapshot(t, root)
	if _, err := n.Configure(t.Context(), testOptions()); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if text := differ(snapshot(t, root), was); text != "" {
		t.Error(text)
	}
}

// TestRollsBack has the API server not come up from the new manifest, or the user interrupt the wait.
func TestRollsBack(t *testing.T) {
	t.Parallel()
	for _, interrupted := range []bool{false, true} {
		root := newRoot(t)
		was := snapshot(t, root)
		fake, api := newServer(t, root)
		fake.set(func(m *manifest) bool { return m.flag != nil })
		n := testNode(root, api)
		n.Limit = 500 * time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		want := "the API server did not come back within 500ms: the API server answers 503"
		if interrupted {
			n.Limit, want = 20*time.Second, context.Canceled.Error()
			n.Waiting = func(time.Duration, time.Duration, error) { cancel() }
		}
		_, err := n.Configure(ctx, testOptions())
		cancel()
		if err == nil || !strings.Contains(err.Error(), "rolled back, the node is as it was") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if text := differ(snapshot(t, root), was); text != "" {
			t.Error(text)
		}
	}
}

// TestRollsBackToTheOldToken has a change of the token fail on a node that is set up.
func TestRollsBackToTheOldToken(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	original := snapshot(t, root)
	fake, api := newServer(t, root)
	n, o := testNode(root, api), testOptions()
	if _, err := n.Configure(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	was := snapshot(t, root)
	fake.set(func(m *manifest) bool { return m.restarted != nil })
	n.Limit, o.Token = 500*time.Millisecond, otherToken
	if _, err := n.Configure(t.Context(), o); err == nil || !strings.Contains(err.Error(), "rolled back") {
		t.Fatalf("got %v", err)
	}
	if text := differ(snapshot(t, root), was); text != "" {
		t.Error(text)
	}
	if _, err := n.Restore(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if text := differ(snapshot(t, root), original); text != "" {
		t.Error(text)
	}
}

// TestNextRunWaitsForTheAPIServer is the run after one that was killed when it had written the manifest: the API server restarts.
func TestNextRunWaitsForTheAPIServer(t *testing.T) {
	t.Parallel()
	root := newRoot(t)
	fake, api := newServer(t, root)
	fake.set(func(m *manifest) bool { return m.flag != nil })
	for after := 0; readManifest(t, root) == testManifest; after++ {
		_ = killed(t, "rollback", root, api.server, after)
	}
	n := testNode(root, api)
	asked := 0
	n.Waiting = func(time.Duration, time.Duration, error) {
		if asked++; asked == 3 {
			fake.set(func(*manifest) bool { return false })
		}
	}
	n.Try = func(ctx context.Context, _ string) error { return api.Ready(ctx) } // as what finds the webhook by its Service
	if _, err := n.Configure(t.Context(), testOptions()); err != nil {
		t.Fatal(err)
	}
	if asked < 3 || !strings.Contains(readManifest(t, root), admissionFlag) {
		t.Errorf("asked %d times; the manifest is\n%s", asked, readManifest(t, root))
	}
}

// TestVerifyTellsWhatBecameOfTheReview has the API server do with the pod what it does with one that webhooks judge, fail or miss, while
// others are denied.
func TestVerifyTellsWhatBecameOfTheReview(t *testing.T) {
	t.Parallel()
	counts := func(code string, n int) string {
		return fmt.Sprintf("%s{code=%q,name=\"deny.runecast.com\",operation=\"CREATE\",rejected=\"false\",type=\"validating\"} %d\n", webhookRequests, code, n)
	}
	before := counts("200", 3) + counts("403", 5) + counts("401", 1)
	busy := counts("200", 3) + counts("403", 9) + counts("401", 1)
	status := func(code int, text string) string {
		return fmt.Sprintf(`{"kind": "Status", "code": %d, "message": %q}`, code, text)
	}
	for name, test := range map[string]struct {
		code    int
		body    string
		after   string
		outcome string
		detail  string
	}{
		"allowed":          {201, "{}", counts("200", 4) + counts("403", 9), CheckGood, "the webhook answered a review of this API server in namespace shop"},
		"denied":           {403, status(403, `admission webhook "deny.runecast.com" denied the request: Image scan …`), busy, CheckGood, "the webhook answered"},
		"nobody asked":     {201, "{}", busy, CheckBad, "no webhook answered for it"},
		"denied by others": {403, status(403, `admission webhook "policy.example.com" denied the request: no`), busy, CheckBad, "policy.example.com"},
		"token refused":    {500, status(500, "failed calling webhook: the server has asked for the client to provide credentials"), counts("200", 3) + counts("401", 2), CheckBad, "does not take the token that this API server sends (401)"},
		"unreachable":      {500, status(500, "failed calling webhook: connection refused"), before, CheckBad, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRoot(t)
			fake, api := newServer(t, root)
			fake.answers = before
			fake.create = func(w http.ResponseWriter, _ *http.Request) {
				fake.answers = test.after
				w.WriteHeader(test.code)
				_, _ = w.Write([]byte(test.body)) // the client sees what is missing
			}
			n := testNode(root, api)
			if _, err := n.Configure(t.Context(), testOptions()); err != nil {
				t.Fatal(err)
			}
			checks, err := n.Verify(t.Context(), testOptions(), "")
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range checks {
				if c.Name == "review" && (c.Outcome != test.outcome || !strings.Contains(c.Detail, test.detail)) || c.Name != "review" && c.Outcome != CheckGood {
					t.Errorf("%+v", c)
				}
			}
		})
	}
}
