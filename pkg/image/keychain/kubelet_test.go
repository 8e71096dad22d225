package keychain_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/runecast/runecast/pkg/image/keychain"
)

// TestKubeletsPlaces holds what the kubelet's keyring does (pkg/credentialprovider/keyring.go of Kubernetes v1.34.4: URLsMatch,
// BasicDockerKeyring.Add and Lookup): for each key of a secret, whether it serves a repository.
func TestKubeletsPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, repository string
		serves          bool
	}{
		// Hosts match part by part, with wildcards within a part.
		{"registry.example", "registry.example/app", true},
		{"*.example", "registry.example/app", true},
		{"registry.*", "registry.example/app", true},
		{"a.*.example", "a.b.example/app", true},
		{"*-eu.example", "shop-eu.example/app", true},
		{"regist?y.example", "registry.example/app", false},     // the key is a URL, and this is a query
		{"[pqr]egistry.example", "registry.example/app", false}, // and this no host
		{"*.example", "example/app", false},
		{"*.example", "a.b.example/app", false},
		{"*.*.example", "a.example/app", false},
		{"*", "localhost/app", true},
		{"*", "registry.example/app", false},
		{"registry.example", "registry.example.evil/app", false},
		{"registry.e", "registry.example/app", false},
		{"Registry.example", "registry.example/app", false},
		{"[.example", "[.example/app", false}, // a pattern that is none
		// Ports are the same, without wildcards; the scheme of a key says nothing of them.
		{"registry.example:5000", "registry.example:5000/app", true},
		{"*.example:5000", "registry.example:5000/app", true},
		{"registry.example:5000", "registry.example/app", false},
		{"registry.example", "registry.example:5000/app", false},
		{"registry.example:*", "registry.example:5000/app", false},
		{"https://registry.example", "registry.example:443/app", false},
		{"http://registry.example:5000", "registry.example:5000/app", true},
		{"[::1]:5000", "[::1]:5000/app", true},
		{"127.0.0.*:5000", "127.0.0.1:5000/app", true},
		// Paths are prefixes, letter by letter, without wildcards.
		{"registry.example/shop", "registry.example/shop/app", true},
		{"registry.example/shop", "registry.example/shop", true},
		{"registry.example/shop", "registry.example/shopping/app", true},
		{"registry.example/shop/", "registry.example/shopping/app", false},
		{"registry.example/shop/", "registry.example/shop/app", true},
		{"registry.example/shop/app", "registry.example/shop", false},
		{"registry.example/*", "registry.example/shop", false},
		{"registry.example/shop", "registry.example/app", false},
		// Versions of the API are no paths, but only with a slash behind them.
		{"https://registry.example/v1/", "registry.example/app", true},
		{"https://registry.example/v2/", "registry.example/app", true},
		{"registry.example/v2/shop", "registry.example/shop/app", true},
		{"registry.example/v2", "registry.example/app", false},
		{"registry.example/v3/", "registry.example/app", false},
		// What is no host serves nobody.
		{"", "registry.example/app", false},
		{"https://", "registry.example/app", false},
		{"https:///shop", "registry.example/shop", false},
		{"registry .example", "registry.example/app", false},
		// Docker Hub is docker.io; index.docker.io counts as a whole.
		{"docker.io", "index.docker.io/library/nginx", true},
		{"docker.io/library", "index.docker.io/library/nginx", true},
		{"docker.io/other", "index.docker.io/library/nginx", false},
		{"https://index.docker.io/v1/", "index.docker.io/library/nginx", true},
		{"index.docker.io", "index.docker.io/library/nginx", true},
		{"index.docker.io/library", "index.docker.io/library/nginx", false},
		{"*.docker.io", "index.docker.io/library/nginx", false},
		{"registry-1.docker.io", "index.docker.io/library/nginx", false},
	} {
		client := fake.NewClientset(pullSecret("s", c.key))
		access := keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), "shop", "", []string{"s"})
		if got := len(access.Credentials(c.repository)) == 1; got != c.serves {
			t.Errorf("%q serves %s: %v, want %v", c.key, c.repository, got, c.serves)
		}
	}
}

// TestKubeletsOrder tries the more specific places first, and of one place the secrets in their order. Where docker.io matches,
// index.docker.io does not count.
func TestKubeletsOrder(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(pullSecret("host", "registry.example", "index.docker.io"), pullSecret("again", "https://registry.example/v1/"),
		pullSecret("path", "registry.example/shop"), pullSecret("deep", "registry.example/shop/app"), pullSecret("wild", "*.example"),
		pullSecret("hub", "docker.io"))
	access := keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), "shop", "", []string{"wild", "host", "again", "path", "hub", "deep"})
	for repository, want := range map[string]string{
		"registry.example/shop/app": "deep path host again wild", "index.docker.io/library/nginx": "hub",
	} {
		if got := passwords(access, repository); got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
}

// TestKubeletsEntries reads an entry as the kubelet does (config.go: DockerConfigEntry.UnmarshalJSON).
func TestKubeletsEntries(t *testing.T) {
	t.Parallel()
	auth := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for _, c := range []struct {
		name, entry, want string
		unread            bool
	}{
		{"user and password", `{"username":"ann","password":"x"}`, "ann:x", false},
		{"auth", `{"auth":"` + auth("ann:x:y") + `"}`, "ann:x:y", false},
		{"auth without padding", `{"auth":"` + strings.TrimRight(auth("ann:xy"), "=") + `"}`, "ann:xy", false},
		{"auth comes before user and password", `{"username":"bob","password":"y","auth":"` + auth("ann:x") + `"}`, "ann:x", false},
		{"tokens are not read", `{"identitytoken":"t","registrytoken":"r"}`, "", false},
		{"tokens beside a password are not read", `{"username":"ann","password":"x","identitytoken":"t"}`, "ann:x", false},
		{"auth without a colon", `{"auth":"` + auth("ann") + `"}`, "", true},
		{"auth that is no base64", `{"auth":"???"}`, "", true},
		{"another type", `["ann"]`, "", true},
	} {
		secret := &corev1.Secret{ObjectMeta: meta("s"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{
			corev1.DockerConfigJsonKey: fmt.Appendf(nil, `{"auths":{"registry.example":%s}}`, c.entry),
		}}
		access := keychain.NewReader(inProcess{fake.NewClientset(secret)}, 0, nil).Access(t.Context(), "shop", "", []string{"s"})
		got := ""
		var gotSb130 strings.Builder
		for _, config := range access.Credentials("registry.example/app") {
			gotSb130.WriteString(config.Username + ":" + config.Password)
			if config.IdentityToken != "" || config.RegistryToken != "" {
				t.Errorf("%s: %+v", c.name, config)
			}
		}
		got += gotSb130.String()
		if got != c.want || (len(access.Unread()) != 0) != c.unread {
			t.Errorf("%s: %q, unread %q", c.name, got, access.Unread())
		}
	}
}

// TestAccountsSecrets are those of workloads that name none themselves, as Kubernetes copies them into pods.
func TestAccountsSecrets(t *testing.T) {
	t.Parallel()
	elsewhere := pullSecret("ofaccount", "registry.example")
	elsewhere.Namespace = "bank"
	client := fake.NewClientset(account("default", "ofaccount"), account("robot", "own"), pullSecret("ofaccount", "registry.example"),
		pullSecret("own", "registry.example"), elsewhere, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "default"}})
	for _, c := range []struct {
		namespace, account string
		secrets            []string
		want               string
		asks               []string
	}{
		{"shop", "", nil, "ofaccount", []string{"serviceaccounts", "secrets"}},
		{"shop", "robot", nil, "own", []string{"serviceaccounts", "secrets"}},
		{"shop", "", []string{"own"}, "own", []string{"secrets"}},
		{"bank", "", nil, "", []string{"serviceaccounts"}},
	} {
		client.ClearActions()
		access := keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), c.namespace, c.account, c.secrets)
		var asked []string
		for _, action := range client.Actions() {
			if action.GetNamespace() != c.namespace || action.GetVerb() != "get" {
				t.Errorf("%s of %s in %s", action.GetVerb(), action.GetResource().Resource, action.GetNamespace())
			}
			asked = append(asked, action.GetResource().Resource)
		}
		if got := passwords(access, "registry.example/app"); got != c.want || !slices.Equal(asked, c.asks) || len(access.Unread()) != 0 {
			t.Errorf("%s/%s with %v: %q after questions for %v, unread %q", c.namespace, c.account, c.secrets, got, asked, access.Unread())
		}
	}
}
