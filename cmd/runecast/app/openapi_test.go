package app_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// contract is the interface's own description, which every answer that a test gets is held against.
type contract struct {
	once      sync.Once
	validator validator.Validator
}

const descriptionPath = "/api/v1/openapi.json"

// load reads the description as its users get it, and checks the document itself.
func (c *contract) load(s *served) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.address+descriptionPath, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		s.t.Fatalf("read %s: %v", descriptionPath, err)
	}
	made, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		s.t.Fatalf("%s: %v", descriptionPath, errs)
	}
	if ok, errs := made.ValidateDocument(); !ok {
		for _, err := range errs {
			s.t.Errorf("%s: %v", descriptionPath, err)
		}
	}
	c.validator = made
}

// held hands the answers of the REST interface to the contract before the test gets them.
type held struct {
	next   *http.Transport
	served *served
}

// CloseIdleConnections ends what the client of before kept.
func (h held) CloseIdleConnections() { h.next.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (h held) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := h.next.RoundTrip(request)
	path := request.URL.Path
	described := strings.HasPrefix(path, "/api/v1/") || strings.HasSuffix(path, "/images-scan-requests")
	if err != nil || !described || strings.HasPrefix(path, "/api/v1/openapi") || strings.Contains(path, "..") {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	h.served.api.check(h.served, request, response, body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// check holds an answer of the REST interface against the description: its status, media type and every field.
func (c *contract) check(s *served, request *http.Request, response *http.Response, body []byte) {
	s.t.Helper()
	c.once.Do(func() { c.load(s) })
	if c.validator == nil {
		return // told already
	}
	copied := *response
	copied.Body = io.NopCloser(bytes.NewReader(body))
	if ok, errs := c.validator.ValidateHttpResponse(request, &copied); !ok {
		for _, err := range errs {
			if response.StatusCode == http.StatusNotFound && err.IsPathMissingError() {
				continue // rightly
			}
			s.t.Errorf("%s %s: %d is not as %s says: %v: %s", request.Method, request.URL, response.StatusCode, descriptionPath, err, body)
			for _, detail := range err.SchemaValidationErrors {
				s.t.Errorf("  %s: %s", detail.FieldPath, detail.Reason)
			}
		}
	}
	if response.StatusCode >= http.StatusBadRequest && response.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%s %s: %d is no problem of RFC 9457: %s", request.Method, request.URL, response.StatusCode, response.Header.Get("Content-Type"))
	}
}
