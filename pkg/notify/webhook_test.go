package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/notify"
)

// TestWebhookIsSigned checks the signature by hand, as the standard's text has it, and the JSON to the letter.
func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	d := r.webhook(t)
	d.SecretFile = file(t, whsec+"\nwhsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat("old", 10)))+"\n")
	said, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at().Add(time.Hour))
	if err != nil || said != "200 OK" {
		t.Fatalf("%q %v", said, err)
	}
	got := r.all()[0]
	id, stamp := got.header.Get("Webhook-Id"), got.header.Get("Webhook-Timestamp")
	if id != "9b7d4f0e-6f0c-4c55-9a3e-1d2f5a7b8c90" || stamp != strconv.FormatInt(at().Add(time.Hour).Unix(), 10) || got.header.Get("Content-Type") != "application/json" || got.header.Get("User-Agent") != "runecast/test" {
		t.Errorf("%v", got.header)
	}
	var want []string
	for _, key := range []string{"0123456789abcdef0123456789abcdef", strings.Repeat("old", 10)} {
		mac := hmac.New(sha256.New, []byte(key))
		_, _ = io.WriteString(mac, id+"."+stamp+"."+got.body)
		want = append(want, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if signature := got.header.Get("Webhook-Signature"); signature != strings.Join(want, " ") {
		t.Errorf("signature %q, want %q", signature, want)
	}
	const body = `{"type":"runecast.deny.v1","timestamp":"2026-03-04T05:06:07Z","data":{"count":1,"first":"2026-03-04T05:06:07Z","last":"2026-03-04T05:06:07Z",` +
		`"policy":{"id":"2","name":"No critical or high severity vulnerabilities with available fix","mode":"enforce"},"verdict":"deny","reason":"violation","allowed":false,` +
		`"object":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web","operation":"CREATE"},"user":"ann","scan":{"id":"d-1","url":"https://runecast.example/scans/d-1"},` +
		`"images":[{"reference":"nginx:1.19","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","platform":"linux/amd64","verdict":"deny","violations":7,` +
		`"broken":["the registry is not allowed"],"vulnerabilities":[{"id":"CVE-2021-3711","severity":"critical","package":"libssl1.1","version":"1.1.1d-0+deb10u6","fixedVersion":"1.1.1d-0+deb10u7"}]}]}}`
	if got.body != body {
		t.Errorf("body\n got %s\nwant %s", got.body, body)
	}
}

// TestWebhookFaults has the receiver break off in every way. No error has the secret of the address, and none takes long.
func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, nil)
	endless := func(w http.ResponseWriter) {
		for range 1 << 16 {
			if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		answer     func(http.ResponseWriter, *http.Request)
		fault      string // "": none
		permanent  bool
		retryAfter time.Duration
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "not\r\nnow", http.StatusInternalServerError)
		}, "500 Internal Server Error: not  now", false, 0},
		"404": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "404 Not Found", false, 0},
		"410": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, "410 Gone", true, 0},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "429 Too Many Requests", false, 2 * time.Minute},
		"503 forbids": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "503 Service Unavailable", false, 12 * time.Hour},
		"slow": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 500ms", false, 0},
		"cut":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", false, 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, "redirects are not followed: 307 Temporary Redirect", false, 0},
		"endless": {func(w http.ResponseWriter, _ *http.Request) { endless(w) }, "", false, 0},
		"endless 500": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			endless(w)
		}, "500 Internal Server Error: xxx", false, 0},
		"echo": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "who is "+r.URL.Path+" "+whsec, http.StatusBadGateway)
		}, "502 Bad Gateway: who is … …", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) { c.answer(w, r) })
			d := r.webhook(t)
			d.URL, d.URLFile = "", file(t, r.URL+"/"+secrets)
			began := time.Now()
			said, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at())
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			if c.fault == "" {
				if err != nil || !strings.HasPrefix(said, "200 OK: xxx") || len([]rune(said)) > 300 {
					t.Errorf("%q %v", said, err)
				}
				return
			}
			var failure *notify.SendError
			if !errors.As(err, &failure) || !strings.Contains(failure.Text, c.fault) || failure.Permanent != c.permanent || failure.RetryAfter != c.retryAfter {
				t.Fatalf("%+v, want %+v", err, c)
			}
			if strings.Contains(failure.Text, "Secret") || strings.Contains(failure.Text, whsec[6:]) || len([]rune(failure.Text)) > 350 || strings.ContainsAny(failure.Text, "\r\n") {
				t.Errorf("the error shows a secret, or more than a line: %q", failure.Text)
			}
		})
	}
	t.Cleanup(func() {
		if n := len(elsewhere.all()); n != 0 {
			t.Errorf("a redirect was followed %d times", n)
		}
	})
}

// TestWebhookGoesWhereItMay and nowhere else.
func TestWebhookGoesWhereItMay(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	d := r.webhook(t)
	for url, fault := range map[string]string{
		"https://10.0.0.1/":            "10.0.0.1:443 is at a private address; if it may be asked, name it in the setting notificationAllowNetworks",
		"https://169.254.169.254/":     "link-local",
		"https://[::ffff:10.0.0.1]:1/": "private address",
		"https://0x7f000001/":          "no name of a host",
	} {
		d.URL = url
		if _, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at()); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v", url, err)
		}
	}
	d.URL = r.URL
	for content, fault := range map[string]string{
		"whsec_c2hvcnQ=":                    "is not whsec_ and the base64 of 24 to 64 bytes",
		strings.TrimPrefix(whsec, "whsec_"): "is not whsec_",
		"  \n":                              "is empty",
	} {
		d.SecretFile = file(t, content)
		_, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at())
		if err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%v", err)
		}
	}
	d.SecretFile = "/nowhere/secret"
	if _, err := sinkOf(t, d).Send(t.Context(), notification(t, decision("d-1")), at()); err == nil || !strings.Contains(err.Error(), "/nowhere/secret: no such file") {
		t.Errorf("%v", err)
	}
	if got := r.all(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestSlack wants what an image's name or a user's brings to mark up and mention nothing.
func TestSlack(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/revoked") {
			http.Error(w, "no_service for "+r.URL.Path, http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "ok")
	})
	d := notify.Destination{Name: "chat", Type: notify.TypeSlack, URLFile: file(t, r.URL+"/services/"+secrets), CAFile: r.caFile(t)}
	denied := decision("d-1")
	denied.Name, denied.Images[0].Reference = "<!channel>", "<https://evil.example|nginx>\r\n*bold*"
	if said, err := sinkOf(t, d).Send(t.Context(), notification(t, denied), at()); err != nil || said != "200 OK: ok" {
		t.Fatalf("%q %v", said, err)
	}
	got := r.all()[0]
	var message struct {
		Text   string `json:"text"`
		Blocks []struct {
			Type string `json:"type"`
			Text struct {
				Type string `json:"type"`
				Text string `json:"text"`
			} `json:"text"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal([]byte(got.body), &message); err != nil || got.path != "/services/"+secrets {
		t.Fatalf("%v %+v", err, got)
	}
	if message.Text != "Denied: Deployment shop/&lt;!channel&gt; by policy 2" || len(message.Blocks) != 3 {
		t.Fatalf("%+v", message)
	}
	head, details, link := message.Blocks[0], message.Blocks[1], message.Blocks[2]
	if head.Type != "header" || head.Text.Type != "plain_text" || head.Text.Text != "Denied: Deployment shop/<!channel> by policy 2" {
		t.Errorf("%+v", head)
	}
	if details.Text.Type != "plain_text" || !strings.Contains(details.Text.Text, "\n<https://evil.example|nginx>  *bold*\n  the registry is not allowed\n  CVE-2021-3711 critical: libssl1.1 1.1.1d-0+deb10u6, fixed in 1.1.1d-0+deb10u7\n  … and 5 more violations") {
		t.Errorf("%q", details.Text)
	}
	if link.Text.Type != "mrkdwn" || link.Text.Text != "<https://runecast.example/scans/d-1|Details>" {
		t.Errorf("%+v", link)
	}
	d.URLFile = file(t, r.URL+"/services/"+secrets+"/revoked")
	if _, err := sinkOf(t, d).Send(t.Context(), notification(t, denied), at()); err == nil || err.Error() != "404 Not Found: no_service for … " && err.Error() != "404 Not Found: no_service for …" {
		t.Errorf("%q", err)
	}
}

// TestLongSlackMessages fit into what Slack takes.
func TestLongSlackMessages(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, nil)
	d := notify.Destination{Name: "chat", Type: notify.TypeSlack, URLFile: file(t, r.URL+"/"+secrets), CAFile: r.caFile(t)}
	denied := decision("d-1")
	denied.Name = strings.Repeat("ä", 500)
	for i := range 100 {
		image := denied.Images[0]
		image.Reference = fmt.Sprintf("registry.example/%d/%s", i, strings.Repeat("x", 400))
		denied.Images = append(denied.Images, image)
	}
	n := notification(t, denied)
	if len(n.Content.Images) != 20 || n.Content.More != 81 {
		t.Errorf("%d images, %d more", len(n.Content.Images), n.Content.More)
	}
	if _, err := sinkOf(t, d).Send(t.Context(), n, at()); err != nil {
		t.Fatal(err)
	}
	var message struct {
		Blocks []struct {
			Text struct {
				Text string `json:"text"`
			} `json:"text"`
		} `json:"blocks"`
	}
	if err := json.Unmarshal([]byte(r.all()[0].body), &message); err != nil {
		t.Fatal(err)
	}
	for i, most := range []int{150, 3000} {
		if n := len([]rune(message.Blocks[i].Text.Text)); n > most {
			t.Errorf("block %d has %d characters", i, n)
		}
	}
	if whole, err := json.Marshal(n.Content); err != nil || len(whole) > 40<<10 {
		t.Errorf("%d bytes %v", len(whole), err)
	}
}
