package keychain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	defaultTTL  = 30 * time.Second
	failedTTL   = 3 * time.Second // of what could not be read, so that a correction takes effect at once
	readTimeout = 3 * time.Second // of all objects of one workload
	maxKept     = 1024            // objects
	maxName     = 253             // bytes, of a secret, a namespace or a service account
	maxSecrets  = 20              // of one workload
	defaultName = "default"       // of namespace and service account
	kindSecret  = "secret"
	kindAccount = "service account"
)

// Reader gets pull secrets from a cluster. It is safe for concurrent use.
type Reader struct {
	cluster Cluster
	ttl     time.Duration
	now     func() time.Time
	flights singleflight.Group

	mu   sync.Mutex
	kept map[string]*object // by kind, namespace and name
}

// object is what was read of a secret or service account.
type object struct {
	until   time.Time
	entries []entry  // of a secret
	secrets []string // of a service account
	problem string   // why it was not read and what to do; empty: it was
}

// NewReader makes a Reader. Objects are read anew after ttl, by default 30 s, so that a rotated secret takes effect by then.
func NewReader(cluster Cluster, ttl time.Duration, now func() time.Time) *Reader {
	if ttl <= 0 {
		ttl = defaultTTL
	}
	if now == nil {
		now = time.Now
	}
	return &Reader{cluster: cluster, ttl: ttl, now: now, kept: map[string]*object{}}
}

// Access reads the credentials of a workload: those of its own pull secrets or, where it names none, those of its service account, by
// default "default", which Kubernetes puts into pods without any (plugin/pkg/admission/serviceaccount/admission.go, as of v1.34.4). It
// takes at most 3 s. What cannot be read is in the Access's Unread.
func (r *Reader) Access(ctx context.Context, namespace, serviceAccount string, secrets []string) *Access {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	namespace, serviceAccount = orDefault(namespace), orDefault(serviceAccount)
	if len(namespace) > maxName || len(serviceAccount) > maxName {
		return newAccess(nil, []string{"correct the namespace or service account, whose name has more than 253 bytes"})
	}
	var (
		unread  []string
		entries []entry
	)
	names := secrets
	if len(names) == 0 {
		account := r.get(ctx, kindAccount, namespace, serviceAccount)
		if account.problem != "" {
			unread = append(unread, account.problem)
		}
		names = account.secrets
	}
	if len(names) > maxSecrets {
		unread = append(unread, fmt.Sprintf("name fewer imagePullSecrets: of %d, %d are read", len(names), maxSecrets))
		names = names[:maxSecrets]
	}
	seen := map[string]bool{"": true}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		if len(name) > maxName {
			unread = append(unread, "correct the imagePullSecrets, of which one has a name of more than 253 bytes")
			continue
		}
		secret := r.get(ctx, kindSecret, namespace, name)
		if secret.problem != "" {
			unread = append(unread, secret.problem)
		}
		entries = append(entries, secret.entries...)
	}
	return newAccess(entries, unread)
}

func orDefault(name string) string {
	if name == "" {
		return defaultName
	}
	return name
}

// get gives an object that is kept or reads it, once for all that ask at the same time.
func (r *Reader) get(ctx context.Context, kind, namespace, name string) *object {
	key := kind + " " + namespace + "/" + name
	r.mu.Lock()
	known := r.kept[key]
	r.mu.Unlock()
	if known != nil && r.now().Before(known.until) {
		return known
	}
	ch := r.flights.DoChan(key, func() (any, error) {
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		o := r.read(work, kind, namespace, name)
		r.keep(key, o)
		return o, nil
	})
	select {
	case result := <-ch:
		if o, ok := result.Val.(*object); ok {
			return o
		}
	case <-ctx.Done():
	}
	return &object{problem: unreadable(kind, namespace, name, ctx.Err())}
}

func (r *Reader) keep(key string, o *object) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) >= maxKept { // rare: what has to go costs no more than a question to the API server
		now := r.now()
		for k, old := range r.kept {
			if len(r.kept) >= maxKept || now.After(old.until) {
				delete(r.kept, k)
			}
		}
	}
	r.kept[key] = o
}

// read asks the API server for one object.
func (r *Reader) read(ctx context.Context, kind, namespace, name string) *object {
	o := &object{until: r.now().Add(r.ttl)}
	fail := func(problem string) *object {
		return &object{until: r.now().Add(min(r.ttl, failedTTL)), problem: problem}
	}
	if kind == kindAccount {
		var account serviceAccount
		if err := r.object(ctx, resourceAccounts, namespace, name, &account); err != nil {
			return fail(unreadable(kind, namespace, name, err))
		}
		o.secrets = account.names()
		return o
	}
	var content secret
	err := r.object(ctx, resourceSecrets, namespace, name, &content)
	if err != nil {
		return fail(unreadable(kind, namespace, name, err))
	}
	if o.entries, err = parseSecret(&content); err != nil {
		return fail(fmt.Sprintf("correct secret %s in namespace %s, which is no pull secret: %v", name, namespace, err))
	}
	return o
}

// object gets and decodes one object.
func (r *Reader) object(ctx context.Context, resource, namespace, name string, into any) error {
	data, err := r.cluster.Get(ctx, resource, namespace, name)
	if err != nil {
		return err //nolint:wrapcheck // the caller words it
	}
	if json.Unmarshal(data, into) != nil {
		return errors.New("the API server's answer is not the JSON of an object") // and the decoder's words may quote a secret
	}
	return nil
}

// unreadable words why an object was not read and what to do. The API server's own words are for those who operate the server.
func unreadable(kind, namespace, name string, err error) string {
	which := fmt.Sprintf("%s %s in namespace %s", kind, name, namespace)
	resource := strings.ReplaceAll(kind, " ", "") + "s"
	switch {
	case apierrors.IsNotFound(err):
		return which + " does not exist: create it, or correct its name"
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("%s cannot be read: grant the server get on %s in that namespace", which, resource)
	case apierrors.IsUnauthorized(err):
		return which + " cannot be read: the API server does not accept the server's own credentials; renew them"
	default:
		return which + " cannot be read: check that the server can reach the API server, then retry"
	}
}
