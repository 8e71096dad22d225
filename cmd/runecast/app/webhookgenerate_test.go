package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/cmd/runecast/app"
)

const (
	goldenFiles = "../../../pkg/webhook/testdata"
	pathKey     = "5f1c0f6a2b7d4e9c8a3b5d7f9e1c2a4b6d8f0a1c3e5b7d9f1a2c4e6b8d0f2a4c"
)

func generate(t *testing.T, flags string) (code int, out, errOut string) {
	t.Helper()
	dir := t.TempDir()
	key := write(t, filepath.Join(dir, "key"), []byte(pathKey+"\n"))
	none := write(t, filepath.Join(dir, "none"), nil)
	flags = strings.NewReplacer("CA", filepath.Join(goldenFiles, "ca.crt"), "KEY", key, "NONE", none).Replace(flags)
	return runProgram(t.Context(), "", append([]string{"webhook", "generate"}, strings.Fields(flags)...)...)
}

// TestWebhookGenerate compares what combinations of flags give with golden files of pkg/webhook, whole.
func TestWebhookGenerate(t *testing.T) {
	t.Parallel()
	for flags, golden := range map[string]string{
		"--policy 2 --url https://runecast.domain.local --ca-file CA":                                                                                     "url",
		"--policy 2 --namespace-label runecast-admission-policy=2 --url https://runecast.domain.local --ca-file CA":                                       "url",
		"--policy 2 --namespace-label runecast-admission-policy={policy} --url https://runecast.domain.local --ca-file CA":                                "url",
		"--policy 2 --release-namespace= --url https://runecast.domain.local --ca-file CA --review-key-file KEY":                                          "url-key",
		"--policy 2 --release-namespace= --url https://runecast.example.com:8443/gate/":                                                                   "url-public",
		"--policy 2 --namespace-label runecast-admission-policy=2 --service runecast/runecast-nginx:9080 --ca-file CA":                                    "service",
		"--policy 2 --service runecast/runecast-nginx --ca-file CA --name runecast-validating-webhook --timeout-seconds 10":                               "service",
		"--policy 2 --service runecast/runecast-nginx:9080 --ca-file CA --review-key-file KEY":                                                            "service-key",
		"--policy 2 --service runecast/runecast-nginx:443 --no-ca":                                                                                        "service-no-ca",
		"--policy 2 --service runecast/runecast-nginx --ca-file CA --all-namespaces --exclude-namespace calico-system,cert-manager":                       "all-namespaces",
		"--policy 2 --service runecast/runecast-nginx --ca-file CA --name gate --failure-policy Ignore --timeout-seconds 30 --release-namespace security": "ignore",
		"--policy 2 --policy 5 --policy shop --namespace-label runecast-admission-policy=2 --namespace-label runecast-admission-policy={policy} --namespace-label team=shop,stage=prod --webhook-name deny-fixed-critical-and-medium.runecast.com,policy-5.runecast.com,shop.example.com --service runecast/runecast-nginx --ca-file CA": "several",
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join(goldenFiles, "generate", golden+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			code, out, errOut := generate(t, flags)
			if code != app.ExitOK || out != string(want) {
				t.Errorf("exit code %d, %s\n%s\nis not %s.yaml", code, errOut, out, golden)
			}
			code, out, _ = generate(t, flags+" -o json")
			var fromJSON, fromYAML admissionregistration.ValidatingWebhookConfiguration
			decode(t, out, &fromJSON)
			if err := yaml.UnmarshalStrict(want, &fromYAML); err != nil || code != app.ExitOK || fromJSON.String() != fromYAML.String() {
				t.Errorf("JSON and YAML differ: %v\n%s", err, out)
			}
			if strings.Contains(errOut, pathKey) || strings.Contains(out, pathKey) != strings.Contains(flags, "KEY") {
				t.Errorf("the key: %s", errOut)
			}
		})
	}
}

func TestWebhookGenerateRefuses(t *testing.T) {
	t.Parallel()
	const to = " --service runecast/runecast-nginx:9080 --ca-file CA"
	for flags, want := range map[string]string{
		"--ca-file CA --policy 2":                                                     "at least one of the flags in the group [url service] is required",
		"--service runecast/runecast-nginx:9080 --ca-file CA":                         `required flag(s) "policy" not set`,
		"--policy 2 --url https://a.example" + to:                                     "[service url] were all set",
		"--policy 2 --service runecast/runecast-nginx:9080":                           "no CA is given",
		"--policy 2 --no-ca" + to:                                                     "[ca-file no-ca] were all set",
		"--policy 2 --ca-from-cluster" + to:                                           "[ca-file ca-from-cluster] were all set",
		"--policy 2 --review-key-file KEY --review-key-from-cluster" + to:             "[review-key-file review-key-from-cluster] were all set",
		"--policy 2 --all-namespaces --namespace-label a=b" + to:                      "[all-namespaces namespace-label] were all set",
		"--policy 2 --service runecast-nginx:9080 --ca-file CA":                       `service "runecast-nginx:9080" names no Service`,
		"--policy 2 --url http://runecast.domain.local":                               "by TLS alone",
		"--policy 2 --url https://me:hunter2@runecast.domain.local":                   "user information",
		"--policy 2 --url https://runecast.domain.local?key=hunter2":                  "a query or a fragment",
		"--policy 2 --timeout-seconds 0" + to:                                         "0 s: API servers take 1 to 30",
		"--policy 2 --timeout-seconds 31" + to:                                        "31 s: API servers take 1 to 30",
		"--policy 2 --failure-policy fail" + to:                                       "neither Fail nor Ignore",
		"--policy Team_A" + to:                                                        `policy id "Team_A" cannot stand in the path of a Service`,
		"--policy 2 --policy 3 --namespace-label team=shop" + to:                      "2 policies and 1 namespace labels: give one --namespace-label for each --policy",
		"--policy 2 --namespace-label a=b --namespace-label c=d" + to:                 "1 policies and 2 namespace labels",
		"--policy 2 --namespace-label team" + to:                                      `namespace label "team" is no key=value`,
		"--policy 2,3 --webhook-name a.b.example" + to:                                "2 policies and 1 names: give one --webhook-name",
		"--policy 2 --service a/b --ca-file /does/not/exist":                          "read the CA: open /does/not/exist",
		"--policy 2 --service a/b --ca-file NONE":                                     "is empty",
		"--policy 2 --service a/b --ca-file KEY":                                      "there is no PEM certificate in it",
		"--policy 2 --review-key-file NONE" + to:                                      "the file of the review key is empty",
		"--policy 2 --review-key-file CA" + to:                                        "the review key cannot stand in a path",
		"--policy 2 --review-key-file /does/not/exist" + to:                           "read the credential",
		"--policy 2 --url https://a.example --release-namespace= --ca-from-cluster":   "name it with --release-namespace",
		"--policy 2 --url https://a.example --ca-from-cluster --kubeconfig /not/here": "find the API server",
		"--policy 2 -o table2" + to:                                                   `output format "table2" is not known`,
		"--policy 2 more" + to:                                                        `unknown command "more"`,
	} {
		t.Run(flags, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := generate(t, flags)
			if code != app.ExitError || out != "" || !strings.Contains(errOut, want) || strings.Contains(errOut, "hunter2") || strings.Contains(errOut, pathKey) {
				t.Errorf("exit code %d, %q, %s, want %q", code, out, errOut, want)
			}
		})
	}
}

func TestWebhookGenerateWarns(t *testing.T) {
	t.Parallel()
	code, out, errOut := generate(t, "--policy 2 --all-namespaces --service runecast/runecast-nginx:9080 --ca-file CA")
	want(t, code, errOut, app.ExitOK, "warning: webhook deny-fixed-critical-and-medium.runecast.com: failurePolicy Fail for all namespaces", "cluster add-ons")
	if strings.Contains(out, "warning") {
		t.Error("the warning is in the configuration")
	}
}
