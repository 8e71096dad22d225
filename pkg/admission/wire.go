package admission

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Request is what a decision needs of an AdmissionReview's request.
type Request struct {
	UID         string
	Group       string // of the object's kind; empty for pods
	Kind        string
	SubResource string // ephemeralcontainers, or empty
	Namespace   string
	Name        string // empty where the API server is still to generate it
	Operation   string // CREATE, UPDATE, DELETE, CONNECT
	User        string
	DryRun      bool
	Object      jsontext.Value // JSON; empty on DELETE
	OldObject   jsontext.Value // JSON; empty or null on CREATE
}

// Response is the answer to a Request.
type Response struct {
	Allowed          bool
	Message          string            // for a denial; its first line is fixed by the contract with clients
	Warnings         []string          // one line each, at most 256 runes, 4,096 in all
	AuditAnnotations map[string]string // keys without a slash
}

// Operations of the admission API.
const (
	operationCreate = "CREATE"
	operationUpdate = "UPDATE"
)

// The two versions of the admission API have the same fields; an answer must carry the version of its question.
const (
	apiVersionV1      = "admission.k8s.io/v1"
	apiVersionV1Beta1 = "admission.k8s.io/v1beta1"
	kindReview        = "AdmissionReview"
)

// denialCode is the HTTP status that clients see for a denial. The API server raises codes below 400 to 400.
const denialCode = 403

type reviewJSON struct {
	APIVersion string        `json:"apiVersion"`
	Kind       string        `json:"kind"`
	Request    *requestJSON  `json:"request,omitempty"`
	Response   *responseJSON `json:"response,omitempty"`
}

type requestJSON struct {
	UID  string `json:"uid"`
	Kind struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
	} `json:"kind"`
	SubResource string `json:"subResource"`
	Namespace   string `json:"namespace"`
	Name        string `json:"name"`
	Operation   string `json:"operation"`
	UserInfo    struct {
		Username string `json:"username"`
	} `json:"userInfo"`
	DryRun    bool           `json:"dryRun"`
	Object    jsontext.Value `json:"object"`
	OldObject jsontext.Value `json:"oldObject"`
}

type responseJSON struct {
	UID              string            `json:"uid"`
	Allowed          bool              `json:"allowed"`
	Status           *statusJSON       `json:"status,omitempty"`
	AuditAnnotations map[string]string `json:"auditAnnotations,omitempty"`
	Warnings         []string          `json:"warnings,omitempty"`
}

// statusJSON leaves reason out on purpose: with one, kubectl would print it before the message.
type statusJSON struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// Envelope names the version that the answer to a review must have.
type Envelope struct {
	apiVersion string
	uid        string
}

// DecodeReview reads an AdmissionReview of version v1 or v1beta1. Its errors tell what is wrong with the body.
func DecodeReview(body []byte) (Request, Envelope, error) {
	var review reviewJSON
	if len(body) == 0 {
		return Request{}, Envelope{}, errors.New("the body is empty")
	}
	if err := json.Unmarshal(body, &review, jsontext.AllowInvalidUTF8(true)); err != nil {
		return Request{}, Envelope{}, fmt.Errorf("the body is no JSON of an AdmissionReview: %w", err)
	}
	if review.Kind != kindReview {
		return Request{}, Envelope{}, fmt.Errorf("the body's kind is %q, not AdmissionReview", review.Kind)
	}
	if review.APIVersion != apiVersionV1 && review.APIVersion != apiVersionV1Beta1 {
		return Request{}, Envelope{}, fmt.Errorf("apiVersion %q is neither %s nor %s", review.APIVersion, apiVersionV1, apiVersionV1Beta1)
	}
	in := review.Request
	if in == nil {
		return Request{}, Envelope{}, errors.New("the AdmissionReview has no request")
	}
	if in.UID == "" {
		return Request{}, Envelope{}, errors.New("the AdmissionReview's request has no uid")
	}
	return Request{
		UID: in.UID, Group: in.Kind.Group, Kind: in.Kind.Kind, SubResource: in.SubResource, Namespace: in.Namespace, Name: in.Name,
		Operation: in.Operation, User: in.UserInfo.Username, DryRun: in.DryRun, Object: in.Object, OldObject: in.OldObject,
	}, Envelope{apiVersion: review.APIVersion, uid: in.UID}, nil
}

// EncodeResponse writes the AdmissionReview that answers the one with this envelope.
func EncodeResponse(envelope Envelope, response Response) ([]byte, error) {
	out := reviewJSON{
		APIVersion: envelope.apiVersion, Kind: kindReview,
		Response: &responseJSON{UID: envelope.uid, Allowed: response.Allowed, AuditAnnotations: response.AuditAnnotations, Warnings: response.Warnings},
	}
	if !response.Allowed {
		out.Response.Status = &statusJSON{Code: denialCode, Message: response.Message}
	}
	body, err := json.Marshal(&out, jsontext.AllowInvalidUTF8(true), json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the answer to review %s: %w", envelope.uid, err)
	}
	return body, nil
}
