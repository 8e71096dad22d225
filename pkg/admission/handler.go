package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/semaphore"

	"github.com/runecast/runecast/pkg/policy"
)

// ReviewPath is the path of reviews, less the policy id. ReviewPathAlias is the prefix of older clients.
const (
	ReviewPath      = "/rc2/api/v2/k8s-admission-policy-review/policy/"
	ReviewPathAlias = "/rca/api/v2/k8s-admission-policy-review/policy/"
)

// MaxBody is the largest body that is read, in bytes. The API server's largest review was measured at 27.3 MB: an object of
// 3 MiB, escaped sixfold, twice.
const MaxBody = 32 << 20

// maxBodies is how many bytes of bodies are read at a time, all reviews together. Decoding holds two to three times as much. While
// a review waits for a scan it holds the names of its images alone.
const maxBodies = 256 << 20

// maxPooledBody is the largest buffer that is kept for the next review; larger ones are rare and go back to the system.
const maxPooledBody = 1 << 20

// Errors of an Authorizer.
var (
	ErrUnauthenticated = errors.New("a valid API token is required: send it as Authorization: Bearer <token>")
	ErrForbidden       = errors.New("the token's access type does not allow to submit reviews")
)

// Authorizer decides who may submit reviews, and fails with ErrUnauthenticated or ErrForbidden.
type Authorizer interface {
	// AuthorizeReview gets the Authorization header's value.
	AuthorizeReview(ctx context.Context, authorization string) error
	// AuthorizeKey gets the key of the path …/policy/<id>/key/<key>, where the API server has no token to send.
	AuthorizeKey(ctx context.Context, key string) error
}

// Policies finds policies by their id.
type Policies interface {
	Get(id string) (*policy.Policy, bool)
}

// Metrics counts what the handler does. Implementations are safe for concurrent use.
type Metrics interface {
	// Reviewed counts an answered review.
	Reviewed(d *Decision, dryRun bool)
	// Refused counts a request that was answered with an HTTP error.
	Refused(code int)
	// Panicked counts a panic that was caught.
	Panicked()
}

// HandlerConfig is what a Handler works with. All fields but MaxInFlight are required.
type HandlerConfig struct {
	Authorizer Authorizer
	Policies   Policies
	Reviewer   *Reviewer
	Recorder   *Recorder
	Metrics    Metrics
	Log        logrus.FieldLogger
	// MaxInFlight is how many reviews are handled at a time; more get a 429, which the API server repeats. Zero means 1,024.
	MaxInFlight int
}

const defaultMaxInFlight = 1024

// Handler is the review endpoint.
type Handler struct {
	HandlerConfig
	slots   chan struct{}
	bodies  *semaphore.Weighted // bytes
	buffers sync.Pool
}

// NewHandler makes the review endpoint.
func NewHandler(config HandlerConfig) *Handler { //nolint:gocritic // made once; a value cannot be changed behind its back
	if config.MaxInFlight <= 0 {
		config.MaxInFlight = defaultMaxInFlight
	}
	return &Handler{HandlerConfig: config, slots: make(chan struct{}, config.MaxInFlight), bodies: semaphore.NewWeighted(maxBodies)}
}

// Register adds the endpoint, under both its paths, with and without a key in them, to a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	for _, prefix := range []string{ReviewPath, ReviewPathAlias} {
		mux.Handle(prefix+"{policy}", h)
		mux.Handle(prefix+"{policy}"+keySegment+"{key}", h)
	}
}

// InFlight is how many reviews are being handled.
func (h *Handler) InFlight() int { return len(h.slots) }

// ServeHTTP answers one review.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	defer h.recover(w)
	if refusal := h.serve(w, r, arrived); refusal != nil {
		h.Metrics.Refused(refusal.code)
		h.Log.WithFields(logrus.Fields{"code": refusal.code, "path": safePath(r.URL.Path), "remote": r.RemoteAddr}).Warn(refusal.message)
		refusal.write(w)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, arrived time.Time) *problem {
	if err := h.authorize(r); err != nil {
		return refuseAccess(err)
	}
	if refusal := checkRequest(r); refusal != nil {
		return refusal
	}
	p, ok := h.Policies.Get(r.PathValue("policy"))
	if !ok {
		return &problem{code: http.StatusNotFound, message: fmt.Sprintf("there is no policy with the id %.60q; list the policies with: runecast policy list", r.PathValue("policy"))}
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return &problem{code: http.StatusTooManyRequests, message: fmt.Sprintf("%d reviews are being handled already; ask again", h.MaxInFlight), retryAfter: 1}
	}
	limit, err := reviewTime(r.URL.Query().Get("timeout"))
	if err != nil {
		return &problem{code: http.StatusBadRequest, message: err.Error()}
	}
	request, envelope, refusal := h.read(w, r)
	if refusal != nil {
		return refusal
	}
	ctx, cancel := context.WithDeadline(r.Context(), arrived.Add(limit))
	defer cancel()
	response, decision := h.Reviewer.Review(ctx, p, &request, arrived)
	h.answer(w, envelope, response)
	h.keep(&request, decision)
	return nil
}

// authorize checks the path's key where there is one, else the header.
func (h *Handler) authorize(r *http.Request) error {
	if key := r.PathValue("key"); key != "" {
		return h.Authorizer.AuthorizeKey(r.Context(), key) //nolint:wrapcheck // one of two errors that are told apart
	}
	return h.Authorizer.AuthorizeReview(r.Context(), r.Header.Get("Authorization")) //nolint:wrapcheck // likewise
}

// keep counts, logs and records a decision after it was answered. Dry runs are not recorded.
func (h *Handler) keep(request *Request, decision *Decision) {
	h.Metrics.Reviewed(decision, request.DryRun)
	h.Log.WithFields(decision.logFields(request.DryRun)).Info("review decided")
	if !request.DryRun {
		h.Recorder.Record(decision)
	}
}

func refuseAccess(err error) *problem {
	switch {
	case errors.Is(err, ErrUnauthenticated):
		return &problem{code: http.StatusUnauthorized, message: ErrUnauthenticated.Error()}
	case errors.Is(err, ErrForbidden):
		return &problem{code: http.StatusForbidden, message: ErrForbidden.Error()}
	default:
		return &problem{code: http.StatusServiceUnavailable, message: "the token cannot be checked now: the token store does not answer", retryAfter: 1}
	}
}

func checkRequest(r *http.Request) *problem {
	if r.Method != http.MethodPost {
		return &problem{code: http.StatusMethodNotAllowed, message: "reviews are sent with POST, not " + truncate(strconv.QuoteToASCII(r.Method), 20), allow: http.MethodPost}
	}
	contentType := r.Header.Get("Content-Type")
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
		return &problem{code: http.StatusUnsupportedMediaType, message: fmt.Sprintf("the content type is %.60q; reviews are application/json", contentType)}
	}
	if r.ContentLength > MaxBody {
		return tooLarge()
	}
	return nil
}

func tooLarge() *problem {
	return &problem{code: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("the body is larger than %d bytes, the limit for reviews", MaxBody)}
}

// read takes the body in and decodes it. The buffer is free again when it returns: decoding copies what it keeps.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (Request, Envelope, *problem) {
	size := r.ContentLength
	if size < 0 {
		size = MaxBody // of unknown length
	}
	if !h.bodies.TryAcquire(size) {
		return Request{}, Envelope{}, &problem{code: http.StatusTooManyRequests, message: fmt.Sprintf("bodies of %d bytes together are being read already; ask again", maxBodies), retryAfter: 1}
	}
	defer h.bodies.Release(size)
	buffer := h.buffer()
	defer h.release(buffer)
	if r.ContentLength > 0 {
		buffer.Grow(int(r.ContentLength) + bytes.MinRead) // as ReadFrom wants it, so that it does not grow again
	}
	_, err := buffer.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return Request{}, Envelope{}, tooLarge()
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Request{}, Envelope{}, &problem{code: http.StatusBadRequest, message: "the body ended early"}
	case err != nil:
		return Request{}, Envelope{}, &problem{code: http.StatusBadRequest, message: "the body cannot be read: " + err.Error()}
	}
	request, envelope, err := DecodeReview(buffer.Bytes())
	if err != nil {
		return Request{}, Envelope{}, &problem{code: http.StatusBadRequest, message: truncate(err.Error(), 500)}
	}
	return request, envelope, nil
}

func (h *Handler) answer(w http.ResponseWriter, envelope Envelope, response *Response) {
	body, err := EncodeResponse(envelope, *response)
	if err != nil {
		h.Log.WithError(err).Error("answer not encoded")
		problem{code: http.StatusInternalServerError, message: err.Error()}.write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		h.Log.WithError(err).WithField("uid", envelope.uid).Warn("the answer did not reach the API server")
	}
}

// recover answers a request whose handling panicked. A panic within a decision never gets here: the Reviewer makes it an
// unknown verdict, so that failurePolicy Ignore is no way around the policy.
func (h *Handler) recover(w http.ResponseWriter) {
	caught := recover()
	if caught == nil {
		return
	}
	h.Metrics.Panicked()
	h.Log.WithFields(logrus.Fields{"panic": fmt.Sprint(caught), "stack": strings.TrimSpace(string(debug.Stack()))}).Error("panic while handling a request")
	problem{code: http.StatusInternalServerError, message: "internal error: the request could not be handled; the server's log tells more"}.write(w)
}
