package auth_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
)

const (
	pathKey   = "kRb0jVwYkq3nV0sX4mEoZ2t1c8yq5u7a9d6fGhJkLmN"
	nextKey   = "Zx0jVwYkq3nV0sX4mEoZ2t1c8yq5u7a9d6fGhJkLmNkR"
	fileToken = "2645cda9-ac05-4b6d-8e94-f27c84e93377"
)

// mount writes files as the kubelet mounts a Secret: into a directory of their own, behind a link that is swapped.
func mount(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	version, err := os.MkdirTemp(dir, "..version") //nolint:usetesting // it lies in the directory that is mounted
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(version, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, name)
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), link); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(filepath.Base(version), filepath.Join(dir, "..next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..next"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsOfFiles(t *testing.T) {
	t.Parallel()
	keys, tokens := t.TempDir(), t.TempDir()
	mount(t, keys, map[string]string{"key": pathKey + "\n", "other": nextKey})
	mount(t, tokens, map[string]string{"kube-apiserver": fileToken})
	store := auth.WithFiles(&memory{},
		auth.FileSource{Dir: keys, AccessType: auth.AccessPathKey, Names: []string{"key", "previous"}},
		auth.FileSource{Dir: tokens, AccessType: auth.AccessGlobalAdmin},
		auth.FileSource{Dir: filepath.Join(tokens, "missing"), AccessType: auth.AccessGlobalAdmin})
	a := auth.NewAuthenticator(store, auth.Options{Refresh: 10 * time.Millisecond})
	run(t, a)

	p, err := a.AuthenticateKey(t.Context(), pathKey)
	if err != nil || p.Name != "key" || !p.May(auth.ActionReview) || p.May(auth.ActionScan) || p.May(auth.ActionRead) || p.May(auth.ActionManage) {
		t.Errorf("the key gives %+v, %v", p, err)
	}
	p, err = a.Authenticate(t.Context(), "Bearer "+fileToken)
	if err != nil || p.Name != "kube-apiserver" || !p.May(auth.ActionManage) {
		t.Errorf("the token gives %+v, %v", p, err)
	}
	if _, err := a.Authenticate(t.Context(), "Bearer "+pathKey); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("a path's key in the header: %v", err)
	}
	if _, err := a.AuthenticateKey(t.Context(), fileToken); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("an API token in the path: %v", err)
	}
	if _, err := a.AuthenticateKey(t.Context(), nextKey); !errors.Is(err, auth.ErrBadToken) {
		t.Errorf("a file that is not asked for: %v", err)
	}

	// A key is replaced: both work while both are there, then the new one alone.
	mount(t, keys, map[string]string{"key": nextKey, "previous": pathKey})
	for _, key := range []string{nextKey, pathKey} {
		eventually(t, "both keys work", func() bool { _, err := a.AuthenticateKey(t.Context(), key); return err == nil })
	}
	mount(t, keys, map[string]string{"key": nextKey, "previous": ""})
	eventually(t, "the old key is refused", func() bool {
		_, err := a.AuthenticateKey(t.Context(), pathKey)
		return errors.Is(err, auth.ErrBadToken)
	})
	if _, err := a.AuthenticateKey(t.Context(), nextKey); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// TestDamagedCredentialFiles shows that a file that is no credential is named, and that what was read before goes on working.
func TestDamagedCredentialFiles(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"short":   "password",
		"long":    strings.Repeat("x", 200),
		"spaced":  "a key of several words that are long enough",
		"slashed": "a/key/with/slashes/that/is/long/enough",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mount(t, dir, map[string]string{"key": pathKey})
			a := auth.NewAuthenticator(auth.WithFiles(&memory{}, auth.FileSource{Dir: dir, AccessType: auth.AccessPathKey}), auth.Options{Refresh: 10 * time.Millisecond})
			run(t, a)
			if _, err := a.AuthenticateKey(t.Context(), pathKey); err != nil {
				t.Fatal(err)
			}
			mount(t, dir, map[string]string{"key": content})
			eventually(t, "the damage is told", func() bool {
				err := a.Healthy()
				return err != nil && strings.Contains(err.Error(), filepath.Join(dir, "key")) && !strings.Contains(err.Error(), content)
			})
			if _, err := a.AuthenticateKey(t.Context(), pathKey); err != nil {
				t.Errorf("the key of before: %v", err)
			}
		})
	}
}
