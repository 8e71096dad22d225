package cluster_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/pki"
	"github.com/runecast/runecast/certgen/plan"
	"github.com/runecast/runecast/certgen/state"
	"github.com/runecast/runecast/pkg/webhook"
)

// TestRedact hides keys in every form in which an API server could send them back.
func TestRedact(t *testing.T) {
	t.Parallel()
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := pki.EncodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	credential, err := state.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(encoded))
	if err != nil {
		t.Fatal(err)
	}
	core := strings.Split(string(encoded), "\n")[1]
	for name, text := range map[string]string{
		"PEM":          string(encoded),
		"PEM in JSON":  string(quoted),
		"PEM cut off":  string(encoded[:len(encoded)-30]),
		"base64":       base64.StdEncoding.EncodeToString(encoded),
		"base64url":    base64.RawURLEncoding.EncodeToString(encoded),
		"path":         webhook.ReviewPath("2", credential),
		"path in JSON": `{"path":"` + webhook.ReviewPath("2", credential) + `"}`,
		"bare":         "key " + credential + " is no good",
		"base64 bare":  base64.StdEncoding.EncodeToString([]byte(credential)),
		"short key":    webhook.ReviewPath("2", "abc123") + " x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := cluster.Redact("it said " + text + " then")
			for _, secret := range []string{core, credential, credential[:32], base64.StdEncoding.EncodeToString(encoded)[60:120], "abc123"} {
				if strings.Contains(got, secret) {
					t.Errorf("it shows %s", got)
				}
			}
			if !strings.HasPrefix(got, "it said ") {
				t.Errorf("it hides too much: %s", got)
			}
		})
	}
	plain := `secrets "runecast-ca" is forbidden: User "system:serviceaccount:runecast:runecast-certgen" cannot get resource`
	if got := cluster.Redact(plain); got != plain {
		t.Errorf("a text without keys became %s", got)
	}
}

// TestForbidden names the rule of RBAC that is missing, and a conflict is told apart from an object that is not valid.
func TestForbidden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     int
		body     string
		create   bool
		conflict bool
		want     string
	}{
		"forbidden":        {403, `{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}`, false, false, `needs a rule with apiGroups [""], resources ["secrets"], resourceNames ["s"], verbs ["update"] in its Role of namespace runecast`},
		"forbidden create": {403, `{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}`, true, false, `resources ["secrets"], verbs ["create"]`},
		"conflict":         {409, `{"kind":"Status","status":"Failure","reason":"Conflict","code":409}`, false, true, "somebody else has changed it"},
		"there already":    {409, `{"kind":"Status","status":"Failure","reason":"AlreadyExists","code":409}`, true, true, "somebody else has changed it"},
		"gone":             {404, `{"kind":"Status","status":"Failure","reason":"NotFound","code":404}`, false, true, "somebody else has changed it"},
		"not valid":        {422, `{"kind":"Status","status":"Failure","reason":"Invalid","code":422,"message":"data is -----BEGIN PRIVATE KEY-----abc","details":{"causes":[{"field":"data"}]}}`, false, false, "data is [redacted]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			client, err := cluster.New(&rest.Config{Host: server.URL}, cluster.Options{Namespace: "runecast"})
			if err != nil {
				t.Fatal(err)
			}
			secret := &corev1.Secret{}
			secret.Name, secret.Namespace = "s", "runecast"
			err = client.Do(t.Context(), &plan.Step{Action: plan.Write, Secret: secret, Create: c.create})
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, cluster.ErrConflict) != c.conflict {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
