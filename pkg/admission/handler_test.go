package admission_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	admissionv1beta1 "k8s.io/api/admission/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/scan"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	good := podReview("CREATE", []string{"good:1"}, nil, "")
	header := func(key, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(key, value) }
	}
	path := func(path string) func(*http.Request) {
		return func(r *http.Request) { r.URL.Path = path }
	}
	tests := []struct {
		name, body string
		change     func(*http.Request)
		code       int
		message    string
	}{
		{"no token", good, func(r *http.Request) { r.Header.Del("Authorization") }, 401, "a valid API token is required: send it as Authorization: Bearer <token>"},
		{"wrong token", good, header("Authorization", "Bearer x"), 401, "a valid API token is required: send it as Authorization: Bearer <token>"},
		{"token before policy", good, func(r *http.Request) { r.Header.Del("Authorization"); r.URL.Path = admission.ReviewPath + "99" }, 401, "a valid API token is required: send it as Authorization: Bearer <token>"},
		{"access type", good, header("Authorization", "Bearer "+weakToken), 403, "the token's access type does not allow to submit reviews"},
		{"wrong key", good, path(admission.ReviewPath + "2/key/x"), 401, "a valid API token is required: send it as Authorization: Bearer <token>"},
		{"unknown policy", good, path(admission.ReviewPath + "99"), 404, `there is no policy with the id "99"; list the policies with: runecast policy list`},
		{"get", "", func(r *http.Request) { r.Method = http.MethodGet }, 405, `reviews are sent with POST, not "GET"`},
		{"put", good, func(r *http.Request) { r.Method = http.MethodPut }, 405, `reviews are sent with POST, not "PUT"`},
		{"no content type", good, header("Content-Type", ""), 415, `the content type is ""; reviews are application/json`},
		{"yaml", good, header("Content-Type", "application/yaml"), 415, `the content type is "application/yaml"; reviews are application/json`},
		{"timeout", good, func(r *http.Request) { r.URL.RawQuery = "timeout=soon" }, 400, `the timeout parameter "soon" is no positive duration such as 10s`},
		{"empty", "", nil, 400, "the body is empty"},
		{"no JSON", "nonsense", nil, 400, "the body is no JSON of an AdmissionReview: jsontext: invalid character 'o' in literal null"},
		{"cut JSON", good[:200], nil, 400, "the body is no JSON of an AdmissionReview: jsontext: unexpected EOF"},
		{"two documents", good + good, nil, 400, "the body is no JSON of an AdmissionReview: jsontext: invalid character '{' after top-level value"},
		{"another kind", `{"apiVersion":"v1","kind":"Pod"}`, nil, 400, `the body's kind is "Pod", not AdmissionReview`},
		{"another version", strings.Replace(good, "k8s.io/v1", "k8s.io/v2", 1), nil, 400, `apiVersion "admission.k8s.io/v2" is neither admission.k8s.io/v1 nor admission.k8s.io/v1beta1`},
		{"no request", `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, nil, 400, "the AdmissionReview has no request"},
		{"no uid", strings.Replace(good, `"uid":"u-1",`, "", 1), nil, 400, "the AdmissionReview's request has no uid"},
		{"doubled name", strings.Replace(good, `"uid":"u-1",`, `"uid":"u-1","uid":"u-2",`, 1), nil, 400, `duplicate object member name "uid"`},
	}
	g := newGate(t, scannerFunc(byName))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			change := test.change
			if change == nil {
				change = func(*http.Request) {}
			}
			code, answer, headers := g.send(test.body, change)
			var status metav1.Status
			if err := json.Unmarshal([]byte(answer), &status); err != nil {
				t.Fatalf("%d %s: %v", code, answer, err)
			}
			if code != test.code || int(status.Code) != code || status.Kind != "Status" || status.Status != metav1.StatusFailure || headers.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v %s", code, headers, answer)
			}
			if !strings.Contains(status.Message, test.message) {
				t.Errorf("message\n got %s\nwant %s", status.Message, test.message)
			}
			if headers.Get("Retry-After") != "" {
				t.Error("a refusal that stays one asks to be retried")
			}
			if code == http.StatusMethodNotAllowed && headers.Get("Allow") != http.MethodPost {
				t.Errorf("Allow is %q", headers.Get("Allow"))
			}
			if code == http.StatusUnauthorized && headers.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestBothPathsBothTokenFormsAndContentTypeParameters(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	for name, change := range map[string]func(*http.Request){
		"alias":        func(r *http.Request) { r.URL.Path = admission.ReviewPathAlias + "2" },
		"bare token":   func(r *http.Request) { r.Header.Set("Authorization", goodToken) },
		"content type": func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") },
		"no timeout":   func(r *http.Request) { r.URL.RawQuery = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, ""), change).Allowed {
				t.Error("allowed")
			}
		})
	}
}

func TestV1Beta1IsAnsweredInItsVersion(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	_, answer, _ := g.send(strings.Replace(podReview("CREATE", []string{"nginx:1.19"}, nil, ""), "k8s.io/v1", "k8s.io/v1beta1", 1))
	var review admissionv1beta1.AdmissionReview
	if err := json.Unmarshal([]byte(answer), &review); err != nil {
		t.Fatal(err)
	}
	if review.APIVersion != "admission.k8s.io/v1beta1" || review.Kind != "AdmissionReview" || review.Response.UID != "u-1" || review.Response.Allowed || !strings.HasPrefix(review.Response.Result.Message, firstLine) {
		t.Errorf("answer %s", answer)
	}
}

func TestBodyOf32MiB(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	review := podReview("CREATE", []string{"nginx:1.19"}, nil, "")
	padded := strings.Replace(review, `"spec":{`, `"pad":"%s","spec":{`, 1)
	full := fmt.Sprintf(padded, strings.Repeat("<", admission.MaxBody-len(padded)+2))
	if len(full) != admission.MaxBody {
		t.Fatalf("the body has %d bytes", len(full))
	}
	if response := g.review(full); response.Allowed || !strings.HasPrefix(response.Result.Message, firstLine) {
		t.Errorf("a review of 32 MiB: %+v", response)
	}
	want := "the body is larger than 33554432 bytes, the limit for reviews"
	if code, answer, _ := g.send(full + " "); code != http.StatusRequestEntityTooLarge || !strings.Contains(answer, want) {
		t.Errorf("%d %s", code, answer)
	}
	chunked := func(r *http.Request) { r.ContentLength = -1 }
	if code, answer, _ := g.send(full+" ", chunked); code != http.StatusRequestEntityTooLarge || !strings.Contains(answer, want) {
		t.Errorf("of unknown length: %d %s", code, answer)
	}
}

func TestObjectThatCannotBeReadIsUnknown(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	broken := strings.Replace(podReview("CREATE", []string{"good:1"}, nil, ""), `"containers":[`, `"containers":{"a":[`, 1)
	broken = strings.Replace(broken, `"image":"good:1"}]`, `"image":"good:1"}]}`, 1)
	response := g.review(broken)
	if response.Allowed || !strings.HasPrefix(response.Result.Message, unknownLine) || !strings.Contains(response.Result.Message, "decode Pod: ") {
		t.Errorf("answer %+v", response.Result)
	}
	if d := g.one(); d.Reason != admission.ReasonUnreadable {
		t.Errorf("reason %s", d.Reason)
	}
}

func TestTooManyAtOnceAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName), func(h *admission.HandlerConfig, _ *admission.ReviewerConfig) { h.MaxInFlight = 1 })
	hold := make(chan struct{})
	g.hold(hold)
	g.until("a review is refused", func() bool {
		code, answer, header := g.send(podReview("CREATE", []string{"good:1"}, nil, ""))
		if code == http.StatusTooManyRequests && (header.Get("Retry-After") != "1" || !strings.Contains(answer, "1 reviews are being handled already; ask again")) {
			t.Errorf("%v %s", header, answer)
		}
		return code == http.StatusTooManyRequests
	})
	close(hold)
}

func TestManyLargeBodiesAreToldToComeAgain(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName))
	hold := make(chan struct{})
	for range 8 { // of unknown length, so each counts as the largest
		g.hold(hold)
	}
	g.until("a review is refused", func() bool {
		code, answer, header := g.send(podReview("CREATE", []string{"good:1"}, nil, ""))
		if code == http.StatusTooManyRequests && (header.Get("Retry-After") != "1" || !strings.Contains(answer, "bodies of 268435456 bytes together are being read already; ask again")) {
			t.Errorf("%v %s", header, answer)
		}
		return code == http.StatusTooManyRequests
	})
	close(hold)
	g.until("reviews are handled again", func() bool {
		code, _, _ := g.send(podReview("CREATE", []string{"good:1"}, nil, ""))
		return code == http.StatusOK
	})
}

// TestWaitingReviewsHoldNoRoom lets more reviews wait for a scan than the largest bodies may be read at a time.
func TestWaitingReviewsHoldNoRoom(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var waiting atomic.Int32
	g := newGate(t, scannerFunc(func(ctx context.Context, r scan.Request) (*scan.Report, error) {
		if r.Reference == "slow:1" {
			waiting.Add(1)
			<-release
		}
		return byName(ctx, r)
	}))
	var wait sync.WaitGroup
	defer func() { // before the server is closed, which waits for its requests
		close(release)
		wait.Wait()
	}()
	unknownLength := func(r *http.Request) { r.ContentLength = -1 } // so it counts as the largest while it is read
	for i := range int32(9) {
		wait.Go(func() { g.send(podReview("CREATE", []string{"slow:1"}, nil, ""), unknownLength) })
		g.until("the review waits for its scan", func() bool { return waiting.Load() == i+1 })
	}
	if code, answer, _ := g.send(podReview("CREATE", []string{"good:1"}, nil, ""), unknownLength); code != http.StatusOK {
		t.Errorf("while nine reviews wait, another gets %d %s", code, answer)
	}
}

// hold sends a review of unknown length whose body does not end before release is closed, and waits until it is being read.
func (g *gate) hold(release chan struct{}) {
	g.t.Helper()
	started := make(chan struct{})
	go func() {
		body := &slowBody{first: []byte(`{"apiVersion":`), started: started, hold: release}
		request, _ := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.server.URL+admission.ReviewPath+"2", body)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", goodToken)
		if response, err := g.server.Client().Do(request); err == nil {
			response.Body.Close()
		}
	}()
	<-started
}

type slowBody struct {
	first         []byte
	started, hold chan struct{}
}

func (s *slowBody) Read(p []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	select {
	case <-s.started:
	default:
		close(s.started)
	}
	<-s.hold
	return 0, errors.New("cut")
}

type panicking struct{ admission.Policies }

func TestPanicInTheHandlerIsCaughtCountedAndAnswered(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName), func(h *admission.HandlerConfig, _ *admission.ReviewerConfig) { h.Policies = panicking{} })
	code, answer, _ := g.send(podReview("CREATE", []string{"good:1"}, nil, ""))
	if code != http.StatusInternalServerError || !strings.Contains(answer, "internal error: the request could not be handled") || g.counts.panics != 1 {
		t.Errorf("%d %s, %d panics", code, answer, g.counts.panics)
	}
	if !strings.Contains(g.log.String(), "handler.go") {
		t.Error("the log has no stack")
	}
}
