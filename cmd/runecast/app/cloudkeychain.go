package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	ecr "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	"github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/google"
	"github.com/sirupsen/logrus"
)

const (
	cloudPatience = 4 * time.Second // what a registry's login waits for a cloud's answer, so that a review has time left for its own
	cloudGivenUp  = time.Minute     // after which a cloud that does not answer is asked anew
)

// cloudKeychain asks a cloud for the credentials of its registries. A cloud that refuses, or does not answer in time, gives none: the registry is asked
// without, as it may hold what is public, and the log says why. The clouds' libraries take no context, and one that was left alone may hang
// for as long as its connection does; so all who wait for one registry wait for one question.
type cloudKeychain struct {
	name   string
	serves func(host string) bool
	ask    func(ctx context.Context, host string) (authn.AuthConfig, error) // ctx does not end
	log    logrus.FieldLogger

	mu    sync.Mutex
	asked map[string]*cloudAnswer // by host, while it is awaited
}

// cloudAnswer is what a cloud says, once done is closed.
type cloudAnswer struct {
	done   chan struct{}
	since  time.Time
	config authn.AuthConfig
	err    error
}

// Resolve implements authn.Keychain.
func (k *cloudKeychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target) //nolint:forbidigo // the interface has none
}

// ResolveContext implements authn.ContextKeychain.
func (k *cloudKeychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	return k.answer(ctx, target.RegistryStr()), nil
}

// answer gives the credentials for a registry, or none.
func (k *cloudKeychain) answer(ctx context.Context, host string) authn.Authenticator {
	if !k.serves(host) {
		return authn.Anonymous
	}
	a := k.question(context.WithoutCancel(ctx), host)
	late := time.NewTimer(cloudPatience)
	defer late.Stop()
	select {
	case <-a.done:
		if a.err == nil {
			return authn.FromConfig(a.config)
		}
		k.log.WithField("registry", host).Warnf("the keychain %s gives no credentials: check the server's rights in the cloud: %v", k.name, a.err)
	case <-late.C:
		k.log.WithField("registry", host).Warnf("the keychain %s gives no credentials: the cloud does not answer within %s: check that the server can reach it", k.name, cloudPatience)
	case <-ctx.Done():
	}
	return authn.Anonymous
}

// question asks, unless that is being done already.
func (k *cloudKeychain) question(ctx context.Context, host string) *cloudAnswer {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.asked[host]; a != nil && time.Since(a.since) < cloudGivenUp {
		return a
	}
	a := &cloudAnswer{done: make(chan struct{}), since: time.Now()}
	k.asked[host] = a
	go func() {
		defer close(a.done)
		a.config, a.err = k.ask(ctx, host)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.asked[host] == a {
			delete(k.asked, host)
		}
	}()
	return a
}

func newCloudKeychain(name string, serves func(string) bool, ask func(context.Context, string) (authn.AuthConfig, error), log logrus.FieldLogger) authn.Keychain {
	return &cloudKeychain{name: name, serves: serves, ask: ask, log: log, asked: map[string]*cloudAnswer{}}
}

// errCloud stands for what the clouds' libraries say, which may repeat a request with what is secret in it.
var errCloud = errors.New("the cloud refuses to give any")

// newECRKeychain is of Amazon's registries, private and public.
func newECRKeychain(log logrus.FieldLogger) authn.Keychain {
	helper := ecr.NewECRHelper(ecr.WithLogger(io.Discard))
	serves := func(host string) bool { return strings.Contains(host, ".dkr.ecr") || host == "public.ecr.aws" }
	return newCloudKeychain(keychainECR, serves, asksHelper(helper), log)
}

// newACRKeychain is of Microsoft's registries.
func newACRKeychain(log logrus.FieldLogger) authn.Keychain {
	helper := credhelper.NewACRCredentialsHelper()
	serves := func(host string) bool {
		for _, domain := range []string{".azurecr.io", ".azurecr.cn", ".azurecr.de", ".azurecr.us"} {
			if strings.HasSuffix(host, domain) {
				return true
			}
		}
		return false
	}
	return newCloudKeychain(keychainACR, serves, asksHelper(helper), log)
}

// asksHelper takes what a credential helper says (https://github.com/docker/docker-credential-helpers#development: a user called
// <token> has an identity token for a password).
func asksHelper(helper authn.Helper) func(context.Context, string) (authn.AuthConfig, error) {
	return func(_ context.Context, host string) (authn.AuthConfig, error) {
		user, password, err := helper.Get(host)
		switch {
		case err != nil:
			return authn.AuthConfig{}, errCloud
		case user == "<token>":
			return authn.AuthConfig{Username: user, IdentityToken: password}, nil
		}
		return authn.AuthConfig{Username: user, Password: password}, nil
	}
}

// newGCRKeychain is of Google's registries: the application's default credentials, else those of gcloud. google.Keychain would look for them
// once in the life of a process, for which one failure of the first question is enough to be without, and would keep the context of that.
func newGCRKeychain(log logrus.FieldLogger) authn.Keychain {
	serves := func(host string) bool {
		return host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, ".pkg.dev")
	}
	var (
		mu    sync.Mutex
		known authn.Authenticator
	)
	ask := func(ctx context.Context, _ string) (authn.AuthConfig, error) {
		mu.Lock()
		defer mu.Unlock()
		if known == nil {
			found, err := googleCredentials(ctx)
			if err != nil {
				return authn.AuthConfig{}, err
			}
			known = found
		}
		config, err := known.Authorization()
		if err != nil {
			return authn.AuthConfig{}, errCloud
		}
		return *config, nil
	}
	return newCloudKeychain(keychainGCR, serves, ask, log)
}

// googleCredentials looks for them. What is found renews its tokens by itself, for as long as the process lives.
func googleCredentials(ctx context.Context) (authn.Authenticator, error) {
	found, err := google.NewEnvAuthenticator(ctx)
	if err == nil && found != authn.Anonymous {
		return found, nil
	}
	if found, err = google.NewGcloudAuthenticator(ctx); err == nil && found != authn.Anonymous {
		return found, nil
	}
	return nil, fmt.Errorf("%w, and there is no gcloud that would", errCloud)
}
