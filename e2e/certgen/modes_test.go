//go:build certgen

package certgen_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/certgen/app"
	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// theirs makes a serving Secret as an operator's own CA gives it.
func (p *place) theirs(t *testing.T, ca pki.Authority, namespace string, at time.Time) *corev1.Secret {
	t.Helper()
	names, err := pki.NewNames(namespace, "cluster.local", []string{frontService, "runecast-server"}, nil, nil)
	must(t, err)
	key, err := pki.NewKey()
	must(t, err)
	leaf, err := pki.Leaf{Names: names, Validity: 90 * 24 * time.Hour}.Issue(ca, key, at)
	must(t, err)
	encoded, err := pki.EncodeKey(key)
	must(t, err)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: servingSecret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{"tls.crt": webhook.EncodeBundle(leaf, ca.Certificate), "tls.key": encoded, "ca.crt": webhook.EncodeBundle(ca.Certificate)},
	}
}

// testExistingSecret serves with a certificate of the operator's own, and says what is wrong with one that will not do.
func (l *lab) testExistingSecret(t *testing.T) {
	ca, err := pki.NewAuthority(1, time.Now().Add(-200*24*time.Hour), 10*365*24*time.Hour)
	must(t, err)
	for name, c := range map[string]struct {
		namespace string // that the certificate is for; the place's own when empty
		age       time.Duration
		change    func(data map[string][]byte)
		want      string // in the fault; none when it will do
	}{
		"good":        {},
		"no ca.crt":   {change: func(d map[string][]byte) { delete(d, "ca.crt") }, want: "it has no ca.crt"},
		"leaf alone":  {change: func(d map[string][]byte) { delete(d, "ca.crt"); d["tls.crt"] = firstPEM(t, d["tls.crt"]) }, want: "put the CA there"},
		"expired":     {age: 100 * 24 * time.Hour, want: "expired"},
		"other names": {namespace: "elsewhere", want: "the certificate is not for runecast-nginx."},
		"missing":     {want: "somebody else has to make it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := l.newPlace(t)
			r := p.render(t, values{"tls": values{"source": "existingSecret", "existingSecret": servingSecret}})
			p.managed = r.configuration
			namespace := c.namespace
			if namespace == "" {
				namespace = p.namespace
			}
			s := p.theirs(t, ca, namespace, time.Now().Add(-c.age))
			if c.change != nil {
				c.change(s.Data)
			}
			if name != "missing" {
				_, err := p.Client.CoreV1().Secrets(p.namespace).Create(t.Context(), s, metav1.CreateOptions{})
				must(t, err)
			}
			objects := r.objects("ValidatingWebhookConfiguration")
			if _, log := r.certgen(t, "issue"); c.want != "" && name != "missing" && name != "leaf alone" && !strings.Contains(log, c.want) {
				t.Errorf("certgen issue does not warn:\n%s", log)
			}
			p.kubectl(t, objects, "apply", "-f", "-")
			t.Cleanup(func() { p.kubectl(t, objects, "delete", "--ignore-not-found", "-f", "-") })
			for _, command := range []string{"patch", "reconcile"} {
				out, log, code := r.try(t, command)
				if (code == app.ExitOK) != (c.want == "") || !strings.Contains(log, c.want) {
					t.Errorf("certgen %s: exit code %d, want %q in\n%s%s", command, code, c.want, out, log)
				}
			}
			if c.want != "" {
				return
			}
			if _, err := p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), caSecret, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("a CA Secret: %v", err)
			}
			if after := p.secret(t, servingSecret); !bytes.Equal(after.Data["tls.crt"], s.Data["tls.crt"]) || len(after.Annotations) > 0 {
				t.Error("the Secret was changed")
			}
			p.checkClient(t, s.Data["ca.crt"])
			p.front.keepInSync(t)
			p.awaitPod(t)
		})
	}
}

// testBearer goes from keys in paths to tokens and back while the API server asks: no call is lost, as the servers take both.
func (l *lab) testBearer(t *testing.T) {
	p := l.newPlace(t)
	_, err := p.converge(t.Context(), t, run{scope: issue})
	must(t, err)
	p.front.bearer.Store(true) // what the plain path answers an API server that has a token
	p.front.keepInSync(t)
	p.configure(t)
	_, err = p.converge(t.Context(), t, run{scope: patch})
	must(t, err)
	p.awaitCreate(t)
	load := p.startLoad(t, 4)
	for _, bearer := range []bool{true, false, true} {
		_, err = p.converge(t.Context(), t, run{scope: reconcile, change: func(o *plan.Options) { o.Bearer = bearer }})
		must(t, err)
		key := ""
		if !bearer {
			key = string(p.secret(t, keySecret).Data["key"])
		}
		if path := p.clientConfig(t, p.managed).Service.Path; path == nil || *path != webhook.ReviewPath("2", key) {
			t.Errorf("bearer %t: the path is not as it has to be", bearer)
		}
		p.awaitPath(t, webhook.ReviewPath("2", key))
	}
	load.check(t)
}

// testStatus reads status in each situation, as a table and as JSON.
func (l *lab) testStatus(t *testing.T) {
	p := l.newPlace(t)
	r := p.render(t, values{})
	p.managed = r.configuration
	objects := r.objects("ValidatingWebhookConfiguration")
	t.Cleanup(func() { p.kubectl(t, objects, "delete", "--ignore-not-found", "-f", "-") })
	check := func(when string, code int, phase string, parts ...string) {
		t.Helper()
		table, log, got := r.try(t, "status", "--front-service=")
		if got != code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", when, got, code, table, log)
		}
		for _, part := range append(parts, "CERTIFICATE", "CONFIGURATION", "rotation of the CA") {
			if !strings.Contains(table, part) {
				t.Errorf("%s: no %q in\n%s", when, part, table)
			}
		}
		for line := range strings.Lines(table) {
			if strings.HasPrefix(line, "problem") || strings.HasPrefix(line, "next") {
				continue
			}
			if n := len([]rune(strings.TrimSpace(line))); n > 100 {
				t.Errorf("%s: a line of %d columns: %s", when, n, line)
			}
		}
		text, log, got := r.try(t, "status", "--front-service=", "-o", "json")
		var s job.Status
		if err := json.Unmarshal([]byte(text), &s); err != nil || got != code || s.Phase != phase {
			t.Errorf("%s: as JSON: exit code %d, phase %q, want %q, %v\n%s", when, got, s.Phase, phase, err, log)
		}
		if secret, err := p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), keySecret, metav1.GetOptions{}); err == nil && strings.Contains(text+table+log, string(secret.Data["key"])) {
			t.Errorf("%s: it shows the review key", when)
		}
	}
	check("before the install", app.ExitDue, "idle", "problem", "certgen issue")
	r.certgen(t, "issue", "--front-service=")
	p.kubectl(t, objects, "apply", "-f", "-")
	check("before patch", app.ExitDue, "idle", "next", "caBundle and path are not as they have to be", "serving")
	r.certgen(t, "patch", "--front-service=")
	check("installed", app.ExitOK, "idle", "runecast CA 1")
	p.ask(t, caSecret)
	check("asked for", app.ExitDue, "idle", "begin a CA rotation")
	r.certgen(t, "reconcile", "--front-service=", "--timeout=1s")
	check("in expand", app.ExitOK, "expand", "nextCA", "wait for the API servers")
	r.certgen(t, "reconcile", "--front-service=", "--propagation-wait=0s")
	check("in contract", app.ExitOK, "contract", "previousCA", "crossSigned", "keep the old CA")
	r.certgen(t, "reconcile", "--front-service=", "--contract-after=0s")
	check("rotated", app.ExitOK, "idle", "runecast CA 2", "crossSigned")
	s := p.secret(t, servingSecret)
	s.Data["tls.crt"] = []byte("spoilt")
	p.update(t, s)
	check("spoilt", app.ExitDue, "idle", "the certificate cannot be read")
}

// testRemove deletes what certgen made, the configuration first, and nothing else.
func (l *lab) testRemove(t *testing.T) {
	p := l.newPlace(t)
	r := p.render(t, values{"certgen": values{"adopt": []any{p.byHand}}})
	p.managed = r.configuration
	r.certgen(t, "issue")
	p.kubectl(t, r.objects("ValidatingWebhookConfiguration"), "apply", "-f", "-")
	r.certgen(t, "patch")
	p.configureByHand(t)
	theirs := p.secret(t, servingSecret) // somebody took it over
	delete(theirs.Labels, plan.LabelManagedBy)
	p.update(t, theirs)
	_, log := r.certgen(t, "remove")
	if !strings.Contains(log, "kubectl delete validatingwebhookconfiguration "+p.byHand) {
		t.Errorf("nothing is said of the configuration made by hand:\n%s", log)
	}
	if first, second := strings.Index(log, r.configuration+" is deleted"), strings.Index(log, "Secret "); first < 0 || second < first {
		t.Errorf("the configuration is not the first:\n%s", log)
	}
	for name, want := range map[string]bool{caSecret: false, keySecret: false, servingSecret: true} {
		if _, err := p.Client.CoreV1().Secrets(p.namespace).Get(t.Context(), name, metav1.GetOptions{}); apierrors.IsNotFound(err) == want {
			t.Errorf("Secret %s: %v", name, err)
		}
	}
	p.clientConfig(t, p.byHand) // stays
	r.certgen(t, "remove")      // again, with nothing there
}

// gateway is a Pushgateway that keeps what it is sent, by metric.
type gateway struct {
	mu     sync.Mutex
	paths  []string
	values map[string]float64 // by name and labels
}

func (g *gateway) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	decoder := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
	samples := &expfmt.SampleDecoder{Dec: decoder, Opts: &expfmt.DecodeOptions{Timestamp: model.Now()}}
	g.mu.Lock()
	defer g.mu.Unlock()
	user, password, _ := r.BasicAuth()
	g.paths = append(g.paths, r.Method+" "+r.URL.Path+" "+user+":"+password)
	for {
		var v model.Vector
		if err := samples.Decode(&v); err != nil {
			return
		}
		for _, sample := range v {
			g.values[sample.Metric.String()] = float64(sample.Value)
		}
	}
}

// testPushgateway reads the metrics that a run sends, and a run goes on without a gateway.
func (l *lab) testPushgateway(t *testing.T) {
	p := l.newPlace(t)
	g := &gateway{values: map[string]float64{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	r := p.render(t, values{"certgen": values{"pushGateway": strings.Replace(server.URL, "http://", "http://us:pw@", 1)}})
	p.managed = r.configuration
	r.certgen(t, "issue", "--front-service=")
	// The client writes the groupings in no order of its own.
	job, space, command := "PUT /metrics/job/runecast-certgen", "/namespace/"+p.namespace, "/command/issue"
	if len(g.paths) != 1 || g.paths[0] != job+space+command+" us:pw" && g.paths[0] != job+command+space+" us:pw" {
		t.Errorf("pushed to %q", g.paths)
	}
	leaf, ca := state.ReadServing(p.secret(t, servingSecret)), p.secret(t, caSecret)
	for name, want := range map[string]float64{
		`runecast_certgen_certificate_expiry_timestamp_seconds{certificate="serving"}`:  float64(leaf.Leaf.NotAfter.Unix()),
		`runecast_certgen_certificate_renewal_timestamp_seconds{certificate="serving"}`: float64(pki.RenewalTime(leaf.Leaf).Unix()),
		`runecast_certgen_phase{of="ca", phase="idle"}`:                                 1,
		`runecast_certgen_phase{of="ca", phase="expand"}`:                               0,
		`runecast_certgen_phase{of="key", phase="idle"}`:                                1,
		`runecast_certgen_last_run_actions{event="CAIssued"}`:                           1,
		`runecast_certgen_last_run_failed`:                                              0,
		`runecast_certgen_renewals`:                                                     0,
		`runecast_certgen_rotations`:                                                    0,
		`runecast_certgen_problems`:                                                     0,
		`runecast_certgen_due`:                                                          0,
	} {
		if got, ok := g.values[name]; !ok || got != want {
			t.Errorf("%s is %v (there: %t), want %v", name, got, ok, want)
		}
	}
	if at := g.values["runecast_certgen_last_run_timestamp_seconds"]; time.Since(time.Unix(int64(at), 0)).Abs() > 5*time.Minute {
		t.Errorf("the last run was at %v", at)
	}
	must(t, p.Client.CoreV1().Secrets(p.namespace).Delete(t.Context(), ca.Name, metav1.DeleteOptions{}))
	if _, _, code := r.try(t, "reconcile", "--front-service="); code != app.ExitError || g.values["runecast_certgen_last_run_failed"] != 1 {
		t.Errorf("of a run that failed: exit code %d, %v", code, g.values["runecast_certgen_last_run_failed"])
	}
	server.Close()
	if _, log := r.certgen(t, "issue", "--front-service="); !strings.Contains(log, "no metrics could be sent") || strings.Contains(log, "us:pw") {
		t.Errorf("without a gateway:\n%s", log)
	}
}
