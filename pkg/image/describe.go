package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// describe turns what a request ended with into an *Error: the kind by the cause, and a text that names the registry and
// repeats nothing that could be secret.
func describe(ctx context.Context, t target, what string, err error) *Error {
	e := &Error{Reference: t.reference, Host: t.host(), Tried: len(t.caller.credentials)}
	var (
		own      *Error
		limited  *throttled
		answered *transport.Error
		login    *loginError
		never    *forbidden
		ours     *crowded
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &limited):
		e.Kind, e.Status, e.RetryAfter = kindOf(limited.status), limited.status, limited.after
		text := fmt.Sprintf("registry %s answers %s to the request for %s", e.Host, limited.Error(), what)
		if limited.after > 0 {
			text += fmt.Sprintf(" and asks to wait %s", limited.after)
		}
		e.Err = &cause{text, err}
	case errors.As(err, &ours):
		e.Kind = KindRateLimited
		e.Err = &cause{fmt.Sprintf("the request for %s to registry %s is not made: %s", what, e.Host, ours.text), err}
	case errors.As(err, &answered):
		e.Kind, e.Status = kindOf(answered.StatusCode), answered.StatusCode
		e.Err = &cause{refusal(e.Host, what, answered), err}
	case errors.As(err, &never) && (!never.plain || !isNetworkFault(ctx, err) && !errors.Is(err, http.ErrSchemeMismatch)):
		e.Kind, e.lasting = KindUnreachable, true
		e.Err = &cause{fmt.Sprintf("the request for %s to registry %s is not made: %s", what, e.Host, redact(never.text)), err}
	case isNetworkFault(ctx, err):
		e.Kind = KindUnreachable
		e.Err = &cause{fmt.Sprintf("registry %s does not answer: %s%s", e.Host, networkText(ctx, err), withoutTLS(err)), err}
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Kind = KindUnreachable
		e.Err = &cause{fmt.Sprintf("registry %s does not answer: it does not speak TLS; it is %s", e.Host, plainHint), err}
	case errors.As(err, &login):
		e.Kind = KindUnauthorized
		e.Err = &cause{redact(login.what + ": " + withoutURL(login.err).Error()), err}
	default:
		e.Kind = KindUnreachable
		e.Err = &cause{fmt.Sprintf("the request for %s to registry %s fails: %s", what, e.Host, redact(withoutURL(err).Error())), err}
	}
	return e
}

// kindOf maps a status of HTTP.
func kindOf(status int) Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return KindUnauthorized
	case http.StatusNotFound, http.StatusGone:
		return KindNotFound
	case http.StatusTooManyRequests:
		return KindRateLimited
	default:
		return KindUnreachable
	}
}

// refusal words an error answer with the registry's own codes and messages (OCI distribution specification, error codes), not
// with their details nor with bodies of another form, which may be whole web pages.
func refusal(host, what string, answered *transport.Error) string {
	verb := "answers"
	switch kindOf(answered.StatusCode) {
	case KindUnauthorized:
		verb = "refuses access with"
	default:
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", answered.StatusCode, http.StatusText(answered.StatusCode)))
	text := fmt.Sprintf("registry %s %s %s to the request for %s", host, verb, status, what)
	var words []string
	for _, d := range answered.Errors {
		words = append(words, strings.TrimSuffix(fmt.Sprintf("%s: %s", d.Code, d.Message), ": "))
	}
	if len(words) > 0 {
		text += ": " + redact(strings.Join(words, "; "))
	}
	return text
}

func isNetworkFault(ctx context.Context, err error) bool {
	var (
		late *slow
		cut  *broken
	)
	return errors.As(err, &late) || errors.As(err, &cut) || ctx.Err() != nil ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// withoutTLS tells, where a registry failed with TLS but may speak without, why it was not asked so.
func withoutTLS(err error) string {
	never, refused := errors.AsType[*forbidden](err)
	_, speaksOther := errors.AsType[tls.RecordHeaderError](err)
	if refused && never.plain || speaksOther {
		return "; it is " + plainHint
	}
	return ""
}

// networkText words a fault of the connection.
func networkText(ctx context.Context, err error) string {
	var (
		late    *slow
		cut     *broken
		unknown x509.UnknownAuthorityError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &late):
		return late.text
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "the time for it is over"
	case ctx.Err() != nil, errors.Is(err, context.Canceled):
		return "the request was given up"
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &plain):
		return "it does not speak TLS"
	case errors.As(err, &cut):
		return redact(withoutURL(cut.err).Error())
	}
	return redact(err.Error())
}

// withoutURL takes the address off an error of net/http, whose query may hold a signature.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
