package image

import (
	"context"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// sessionLife is how long a login is used before the keychain is asked again, so that rotated credentials take effect.
const sessionLife = 5 * time.Minute

// session is a login at a registry for one repository.
type session struct {
	client *http.Client
	since  time.Time
}

// session gives a client that is logged in for the repository, and whether that login is new.
func (p *Puller) session(ctx context.Context, t target) (s *session, fresh bool, err error) {
	key := t.login()
	if known, ok := p.sessions.get(key); ok && p.opts.Now().Sub(known.since) < sessionLife {
		return known, false, nil
	}
	credentials, err := t.authenticator(ctx, p.opts.Keychain)
	if err != nil {
		return nil, false, &loginError{"the credentials for registry " + t.host() + " cannot be read", err}
	}
	scopes := []string{t.at().Scope(transport.PullScope)}
	rt, err := transport.NewWithContext(ctx, t.at().Registry, credentials, p.guardOf(t), scopes)
	if err != nil {
		return nil, false, &loginError{"the login at registry " + t.host() + " fails", err}
	}
	s = &session{client: &http.Client{Transport: rt, CheckRedirect: checkRedirect}, since: p.opts.Now()}
	p.sessions.put(key, s, 1)
	return s, true, nil
}

// loginError is a fault before the request proper: in reading credentials, in the first contact or in fetching a token.
type loginError struct {
	what string
	err  error
}

func (l *loginError) Error() string { return l.what + ": " + l.err.Error() }

func (l *loginError) Unwrap() error { return l.err }
