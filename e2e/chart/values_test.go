//go:build chart

package chart_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// schema is what these tests read of a JSON schema.
type schemaNode struct {
	Description          string                `json:"description"`
	Type                 any                   `json:"type"`
	Properties           map[string]schemaNode `json:"properties"`
	AdditionalProperties any                   `json:"additionalProperties"`
	Items                *schemaNode           `json:"items"`
}

func readSchema(t *testing.T) schemaNode {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	must(t, err)
	var s schemaNode
	must(t, json.Unmarshal(text, &s))
	return s
}

// TestSchemaAgrees compares the keys of values.yaml with the schema's, which is closed: a key that one of them lacks is a value that
// cannot be set or one without effect. Each value has the description in the schema that its comment gives to README.md.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	must(t, err)
	var defaults values
	must(t, yaml.UnmarshalStrict(text, &defaults))
	comments := readComments(t, string(text))
	s := readSchema(t)
	if _, is := s.Properties["global"]; !is {
		t.Error("the schema refuses global, which Helm gives to every chart")
	}
	delete(s.Properties, "global")
	agree(t, "", defaults, &s, comments)
	for path := range comments {
		t.Errorf("%s: the comment stands above no value", path)
	}
}

// agree walks both trees, and takes the comments that it has seen off the map.
func agree(t *testing.T, path string, defaults values, s *schemaNode, comments map[string]string) {
	t.Helper()
	if s.AdditionalProperties != false {
		t.Errorf("%q: the schema is open", path)
	}
	if got, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(defaults)); !slices.Equal(got, want) {
		t.Errorf("%q: the schema has the keys %q, values.yaml %q", path, got, want)
	}
	for key, value := range defaults {
		at, property := strings.TrimPrefix(path+"."+key, "."), s.Properties[key]
		comment, documented := comments[at]
		delete(comments, at)
		if documented && property.Description != comment {
			t.Errorf("%s: the schema's description is %q, the comment %q", at, property.Description, comment)
		}
		tree, isTree := value.(values)
		switch {
		case isTree && !documented: // a section; a map that users fill has a comment
			agree(t, at, tree, &property, comments)
		case !documented:
			t.Errorf("%s has no comment of the form # -- …", at)
		}
	}
}

// readComments gives the comments of values.yaml by the path of the value that follows.
func readComments(t *testing.T, text string) map[string]string {
	t.Helper()
	comment, key := regexp.MustCompile(`^ *# -- (.+)$`), regexp.MustCompile(`^( *)([A-Za-z0-9]+):`)
	found, pending := map[string]string{}, ""
	var path []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := comment.FindStringSubmatch(line); m != nil {
			pending = m[1]
		}
		m := key.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		depth := len(m[1]) / 2
		if depth > len(path) {
			t.Fatalf("%q is indented by more than two", line)
		}
		path = append(path[:depth:depth], m[2])
		if pending != "" {
			found[strings.Join(path, ".")], pending = pending, ""
		}
	}
	return found
}

// TestRefusals gives values that cannot work, and asks for words that say why.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		// what the schema says
		"nginx: {replica: 3}":                                    "at '/nginx': additional properties 'replica' not allowed",
		"sever: {replicas: 3}":                                   "at '': additional properties 'sever' not allowed",
		"policy: {id: Shop_1}":                                   "at '/policy/id': 'Shop_1' does not match pattern",
		"policy: {id: a..b}":                                     "at '/policy/id': 'not' failed",
		"policy: {id: -a}":                                       "at '/policy/id': '-a' does not match pattern",
		"policies: {definitions: [{id: Shop}]}":                  "at '/policies/definitions/0/id': 'Shop' does not match pattern",
		"webhooks: [{name: a.b.c, policyId: SHOP}]":              "at '/webhooks/0/policyId': 'SHOP' does not match pattern",
		"webhooks: [{name: a.b.c}]":                              "at '/webhooks/0': missing property 'policyId'",
		"webhook: {name: deny}":                                  "at '/webhook/name': 'deny' does not match pattern",
		"webhook: {timeoutSeconds: 31}":                          "at '/webhook/timeoutSeconds': maximum: got 31, want 30",
		"webhook: {timeoutSeconds: 0}":                           "at '/webhook/timeoutSeconds': minimum: got 0, want 1",
		"webhook: {failurePolicy: fail}":                         "at '/webhook/failurePolicy': value must be one of 'Fail', 'Ignore'",
		"webhook: {operations: [DELETE]}":                        "at '/webhook/operations/0': value must be one of 'CREATE', 'UPDATE'",
		"webhook: {namespaceLabels: {team: 2}}":                  "at '/webhook/namespaceLabels/team': got number, want string",
		"webhook: {namespaceExpressions: [{key: a}]}":            "at '/webhook/namespaceExpressions/0': missing property 'operator'",
		"webhook: {objectSelector: {labels: {}}}":                "at '/webhook/objectSelector': additional properties 'labels' not allowed",
		"admission: {auth: token}":                               "at '/admission/auth': value must be one of 'key', 'bearer'",
		"tls: {source: secret}":                                  "at '/tls/source': value must be one of 'certgen', 'cert-manager', 'existingSecret'",
		"tls: {ipAddresses: [runecast.local]}":                   "at '/tls/ipAddresses/0': 'runecast.local' does not match pattern",
		"certgen: {timeout: 10}":                                 "at '/certgen/timeout': got number, want string",
		"certgen: {contractAfter: 1d}":                           "at '/certgen/contractAfter': '1d' does not match pattern",
		"server: {image: {digest: abc}}":                         "at '/server/image/digest': 'abc' does not match pattern",
		"server: {replicas: 0}":                                  "at '/server/replicas': minimum: got 0, want 1",
		"database: {url: mysql://db/runecast}":                   "at '/database/url': 'mysql://db/runecast' does not match pattern",
		"feed: {url: http://feeds.example/feed.index}":           "at '/feed/url': 'http://feeds.example/feed.index' does not match pattern",
		"tokens: {accessType: Admin}":                            "at '/tokens/accessType': value must be one of 'Review', 'Global Admin'",
		"registries: {keychains: [azure]}":                       "at '/registries/keychains/0': value must be one of",
		"imagePullSecrets: [pull]":                               "at '/imagePullSecrets/0': got string, want object",
		"nginx: {service: {type: ExternalName}}":                 "at '/nginx/service/type': value must be one of 'ClusterIP', 'NodePort', 'LoadBalancer'",
		"networkPolicy: {ingressCIDRs: [10.0.0.1]}":              "at '/networkPolicy/ingressCIDRs/0': '10.0.0.1' does not match pattern",
		"persistence: {accessModes: [ReadOnlyMany]}":             "at '/persistence/accessModes/0': value must be one of",
		"commonLabels: {team: [a]}":                              "at '/commonLabels/team': got array, want string",
		"serviceAccountAnnotations: {proxy: {example.com/a: b}}": "at '/serviceAccountAnnotations': additional properties 'proxy' not allowed",
		"web: {publicUrl: http://gate.corp}":                     "at '/web/publicUrl': 'http://gate.corp' does not match pattern",
		"web: {trustedProxies: [gate.corp]}":                     "at '/web/trustedProxies/0': 'gate.corp' does not match pattern",
		"web: {oidc: {localLogin: never}}":                       "at '/web/oidc/localLogin': value must be one of 'allowed', 'emergency'",
		"web: {oidc: {issuer: http://login.corp}}":               "at '/web/oidc/issuer': 'http://login.corp' does not match pattern",
		"web: {ingress: {proxies: [controller.corp]}}":           "at '/web/ingress/proxies/0': 'controller.corp' does not match pattern",
		"notifications: {destinations: [{name: a, type: sms}]}":  "at '/notifications/destinations/0/type': value must be one of 'webhook', 'slack', 'email'",
		"notifications: {retentionDays: -1}":                     "at '/notifications/retentionDays': minimum: got -1, want 0",
		// what the templates say
		`policy: {id: "9"}`:                         `there is no policy with the id "9". Built in are 1 to 5`,
		"webhooks: [{name: a.b.c, policyId: shop}]": "webhook a.b.c: there is no policy with the id \"shop\"",
		`webhooks: [{name: a.b.c, policyId: "1"}, {name: a.b.c, policyId: "2"}]`:        "two webhooks are called a.b.c",
		"webhook: {namespaceExpressions: [{key: team, operator: In}]}":                  "operator In on team needs values",
		"webhook: {namespaceExpressions: [{key: team, operator: Exists, values: [a]}]}": "operator Exists on team takes no values",
		"webhook: {objectSelector: {matchExpressions: [{key: team, operator: NotIn}]}}": "operator NotIn on team needs values",
		"tls: {source: existingSecret}":                                                 "name the Secret in tls.existingSecret",
		"tls: {existingSecret: mine}":                                                   "set tls.source to existingSecret",
		"tls: {certManager: {issuerRef: {name: corp}}}":                                 "set tls.source to cert-manager",
		"server: {replicas: 2}":                                                         "several server pods need PostgreSQL",
		"server: {autoscaling: {enabled: true}}":                                        "several server pods need PostgreSQL",
		"database: {url: postgres://db/a, existingSecret: b}":                           "database.url and database.existingSecret exclude each other",
		"policies: {definitions: [{id: shop}], existingConfigMap: mine}":                "policies.definitions and policies.existingConfigMap exclude each other",
		"policies: {definitions: [{id: shop}, {id: shop}]}":                             "policies.definitions: two policies have the id shop",
		`policies: {definitions: [{id: "2"}]}`:                                          "policies.definitions: the id 2 is that of a built-in policy",
		"nginx: {autoscaling: {enabled: true, minReplicas: 7}}":                         "nginx.autoscaling: minReplicas 7 is more than maxReplicas 6",
		"commonLabels: {app.kubernetes.io/name: shop}":                                  "commonLabels: the label app.kubernetes.io/name is the chart's own",
		"server: {podLabels: {app.kubernetes.io/name: nginx}}":                          "server.podLabels: the label app.kubernetes.io/name is the chart's own",
		"nginx: {podLabels: {helm.sh/chart: a}}":                                        "nginx.podLabels: the label helm.sh/chart is the chart's own",
		"commonLabels: {team: a}\nserver: {podLabels: {team: b}}":                       "server.podLabels: the label team is in commonLabels already",
		"certgen: {adopt: [runecast-admission]}":                                        "certgen.adopt: runecast-admission is the chart's own",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			var v values
			must(t, yaml.UnmarshalStrict([]byte(text), &v))
			_, err := render(v, "gate", namespace)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("the chart says %v\nwant %s", err, want)
			}
		})
	}
}

// TestNumbersAsPolicies takes policy ids that --set made numbers of.
func TestNumbersAsPolicies(t *testing.T) {
	t.Parallel()
	for _, id := range []any{3, 3.0, int64(3), "3"} {
		all := mustRender(t, values{"policy": values{"id": id}}).objects(t)
		annotations := only(t, all, "ValidatingWebhookConfiguration", "runecast-admission").GetAnnotations()
		if got, want := annotations["runecast.com/policies"], `{"deny-fixed-critical-and-medium.runecast.com":"3"}`; got != want {
			t.Errorf("policy.id %v of type %T: %s", id, id, got)
		}
		if test := podTemplates(t, []object{*only(t, all, "Pod", "runecast-test-ping")})[0].pod(t); !slices.Contains(test.Spec.Containers[0].Args, "--policy=3") {
			t.Errorf("policy.id %v of type %T: the test asks %q", id, id, test.Spec.Containers[0].Args)
		}
	}
}
