package keychain_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/runecast/runecast/pkg/image/keychain"
)

// inProcess is a cluster whose API server is client-go's fake.
type inProcess struct{ client *fake.Clientset }

func (c inProcess) Get(ctx context.Context, resource, namespace, name string) ([]byte, error) {
	var (
		object any
		err    error
	)
	switch resource {
	case "secrets":
		object, err = c.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	case "serviceaccounts":
		object, err = c.client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
	default:
		err = errors.New("asked for " + resource)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }

// pullSecret makes a secret with one user for each place; the password is the secret's name.
func pullSecret(name string, places ...string) *corev1.Secret {
	auths := make([]string, len(places))
	for i, place := range places {
		auths[i] = fmt.Sprintf("%q:{\"auth\":%q}", place, base64.StdEncoding.EncodeToString([]byte("user:"+name)))
	}
	return &corev1.Secret{ObjectMeta: meta(name), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{
		corev1.DockerConfigJsonKey: []byte(`{"auths":{` + strings.Join(auths, ",") + `}}`),
	}}
}

func account(name string, secrets ...string) *corev1.ServiceAccount {
	a := &corev1.ServiceAccount{ObjectMeta: meta(name)}
	for _, s := range secrets {
		a.ImagePullSecrets = append(a.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	return a
}

// passwords lists those for a repository, in order.
func passwords(a *keychain.Access, repository string) string {
	var list []string
	for _, c := range a.Credentials(repository) {
		list = append(list, c.Password)
	}
	return strings.Join(list, " ")
}

func TestMatching(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(account("default", "ofaccount"),
		pullSecret("host", "registry.example"), pullSecret("path", "https://registry.example/shop/"), pullSecret("wild", "*.example"),
		pullSecret("port", "registry.example:5000"), pullSecret("hub", "https://index.docker.io/v1/"), pullSecret("hubshort", "docker.io"),
		pullSecret("ofaccount", "registry.example"), pullSecret("v2", "https://v2.example/v2/"),
		&corev1.Secret{ObjectMeta: meta("older"), Type: corev1.SecretTypeDockercfg, Data: map[string][]byte{
			corev1.DockerConfigKey: []byte(`{"old.corp":{"username":"user","password":"older"}}`),
		}})
	access := keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), "shop", "", []string{"host", "path", "wild", "port", "hub", "hubshort", "older", "v2"})
	if len(access.Unread()) != 0 {
		t.Errorf("unread: %q", access.Unread())
	}
	for repository, want := range map[string]string{
		"registry.example/shop/app":       "path host wild",
		"registry.example/shopping/app":   "host wild",
		"registry.example/other":          "host wild",
		"registry.example:5000/shop/app":  "port",
		"mirror.example/app":              "wild",
		"a.mirror.example/app":            "",
		"example/app":                     "",
		"registry.example.evil/app":       "",
		"index.docker.io/library/nginx":   "hubshort",
		"old.corp/app":                    "older",
		"v2.example/app":                  "v2 wild",
		"registry.elsewhere/shop/example": "",
	} {
		if got := passwords(access, repository); got != want {
			t.Errorf("%s: %q, want %q", repository, got, want)
		}
	}
	for _, c := range access.Credentials("old.corp/app") {
		if c.Username != "user" || c.Auth != "" {
			t.Errorf("credentials %+v", c)
		}
	}
}

func TestUnread(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(pullSecret("good", "registry.example"),
		&corev1.Secret{ObjectMeta: meta("opaque"), Type: corev1.SecretTypeOpaque},
		&corev1.Secret{ObjectMeta: meta("damaged"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{"a":{"auth":"hunter2`)}})
	client.PrependReactor("get", "secrets", func(action k8stesting.Action) (bool, runtime.Object, error) {
		get, ok := action.(k8stesting.GetAction)
		switch {
		case ok && get.GetName() == "forbidden":
			return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "forbidden", errors.New("no"))
		case ok && get.GetName() == "broken":
			return true, nil, errors.New("connection refused")
		}
		return false, nil, nil
	})
	access := keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), "shop", "robot",
		[]string{"forbidden", "missing", "broken", "opaque", "damaged", "good", strings.Repeat("n", 254)})
	want := []string{
		"secret forbidden in namespace shop cannot be read: grant the server get on secrets in that namespace",
		"secret missing in namespace shop does not exist: create it, or correct its name",
		"secret broken in namespace shop cannot be read: check that the server can reach the API server, then retry",
		"correct secret opaque in namespace shop, which is no pull secret: it is of neither type kubernetes.io/dockerconfigjson nor kubernetes.io/dockercfg",
		"correct secret damaged in namespace shop, which is no pull secret: its content is not the JSON of a Docker configuration",
		"correct the imagePullSecrets, of which one has a name of more than 253 bytes",
	}
	if got := strings.Join(access.Unread(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("unread\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if got := passwords(access, "registry.example/app"); got != "good" {
		t.Errorf("the secret that can be read gives %q", got)
	}
	access = keychain.NewReader(inProcess{client}, 0, nil).Access(t.Context(), "shop", "robot", nil)
	if got := access.Unread(); len(got) != 1 || got[0] != "service account robot in namespace shop does not exist: create it, or correct its name" {
		t.Errorf("without secrets and account: unread %q", got)
	}
}

// TestRotation takes a changed secret over after the TTL, and asks for nothing before.
func TestRotation(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset(account("default"), pullSecret("login", "a.example"))
	var now atomic.Int64
	r := keychain.NewReader(inProcess{client}, 30*time.Second, func() time.Time { return time.Unix(now.Load(), 0) })
	read := func() string {
		a := r.Access(t.Context(), "shop", "", []string{"login", "late"})
		return passwords(a, "a.example/app") + passwords(a, "b.example/app")
	}
	if got := read(); got != "login" {
		t.Fatalf("at first %q", got)
	}
	rotated := pullSecret("login", "b.example")
	if _, err := client.CoreV1().Secrets("shop").Update(t.Context(), rotated, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	asked := len(client.Actions())
	if got := passwords(r.Access(t.Context(), "shop", "", []string{"login"}), "a.example/app"); got != "login" || len(client.Actions()) != asked {
		t.Errorf("within the TTL %q after %d more questions", got, len(client.Actions())-asked)
	}
	if _, err := client.CoreV1().Secrets("shop").Create(t.Context(), pullSecret("late", "a.example"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	now.Add(4)
	if got := read(); got != "late login" && got != "login late" {
		t.Errorf("a secret that was missing is not found 4 s later: %q", got)
	}
	now.Add(27)
	a := r.Access(t.Context(), "shop", "", []string{"login"})
	if passwords(a, "a.example/app") != "" || passwords(a, "b.example/app") != "login" {
		t.Error("after the TTL the secret is still the old one")
	}
}

// TestSlowServer does not wait longer than the caller.
func TestSlowServer(t *testing.T) {
	t.Parallel()
	client := fake.NewClientset()
	open := make(chan struct{})
	t.Cleanup(func() { close(open) })
	client.PrependReactor("get", "*", func(k8stesting.Action) (bool, runtime.Object, error) { <-open; return true, nil, errors.New("late") })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	access := keychain.NewReader(inProcess{client}, 0, nil).Access(ctx, "shop", "", nil)
	if len(access.Unread()) != 1 || time.Since(begin) > 2*time.Second {
		t.Errorf("unread %q after %s", access.Unread(), time.Since(begin))
	}
}

// FuzzSecret reads any content of a secret without a fault, and matches nothing but the host that it names.
func FuzzSecret(f *testing.F) {
	f.Add([]byte(`{"auths":{"*.example/[":{"auth":"dTpw"}}}`), "a.example/b")
	f.Fuzz(func(_ *testing.T, data []byte, repository string) {
		secret := &corev1.Secret{ObjectMeta: meta("s"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: data}}
		keychain.NewReader(inProcess{fake.NewClientset(secret, account("default"))}, 0, nil).Access(context.Background(), "shop", "", []string{"s"}).Credentials(repository)
	})
}
