package app_test

import (
	"path/filepath"
	"testing"

	"github.com/runecast/runecast/cmd/runecast/app"
)

func TestSettings(t *testing.T) { // changes the environment, so not in parallel with others
	dir := t.TempDir()
	inFile := write(t, filepath.Join(dir, "runecast.yaml"), []byte("dataDir: "+dir+"/of-file\nallowedRegistries: [a.example/*]\nresolveTtl: 5s\n"))
	for _, step := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		want []string
	}{
		{"file", nil, []string{"--config", inFile, "token", "list"}, app.ExitOK, []string{"ID"}},
		{"variable over file", map[string]string{"RUNECAST_CONFIG": inFile, "RUNECAST_DATABASE": "/dev/null/x"}, []string{"token", "list"}, app.ExitError, []string{"/dev/null"}},
		{"flag over variable", map[string]string{"RUNECAST_DATABASE": "/dev/null/x"}, []string{"--config", inFile, "token", "list", "--database", dir + "/flag.db"}, app.ExitOK, []string{"ID"}},
		{"list in a variable", map[string]string{"RUNECAST_ALLOWED_REGISTRIES": "a.example/*,b.example/*"}, []string{"policy", "show", "4"}, app.ExitOK, []string{"b.example/*"}},
		{"list in the file", nil, []string{"--config", inFile, "policy", "show", "4"}, app.ExitOK, []string{"a.example/*"}},
		{"variables of Kubernetes", map[string]string{"RUNECAST_NGINX_SERVICE_HOST": "10.0.0.1", "RUNECAST_NGINX_PORT": "tcp://10.0.0.1:9080"}, []string{"policy", "list"}, app.ExitOK, []string{"built-in"}},
		{"wrong values, all at once", map[string]string{"RUNECAST_LISTEN": "nowhere", "RUNECAST_LOG_FORMAT": "xml", "RUNECAST_PLATFORMS": "amd64", "RUNECAST_TLS_CERT_FILE": "x"}, []string{"policy", "list"}, app.ExitError, []string{
			`listen: "nowhere" is no address such as :9080 or 127.0.0.1:9080`, `logFormat: "xml" is neither json nor text`, `platforms: "amd64" is no platform of Kubernetes nodes: write os/arch, such as linux/amd64`, "tlsCertFile and tlsKeyFile go together: give both or none",
		}},
		{"platforms with a blank", map[string]string{"RUNECAST_PLATFORMS": "linux/amd64, linux/arm64"}, []string{"policy", "list"}, app.ExitOK, []string{"built-in"}},
		{"a misspelt platform", map[string]string{"RUNECAST_PLATFORMS": "linux/amd64,linux/arm46"}, []string{"policy", "list"}, app.ExitError, []string{`"linux/arm46" is no platform of Kubernetes nodes`}},
		{"numbers out of range", map[string]string{"RUNECAST_DECISION_RETENTION_DAYS": "106752", "RUNECAST_FLIP_RETENTION_DAYS": "-1", "RUNECAST_MAX_RATIO": "-5"}, []string{"policy", "list"}, app.ExitError, []string{
			"decisionRetentionDays: 106752 is more than 36500; 0 keeps them for ever", "flipRetentionDays: -1 is negative", "maxRatio: -5 is negative",
		}},
		{"an unknown keychain", map[string]string{"RUNECAST_REGISTRY_KEYCHAINS": "docker, vault"}, []string{"policy", "list"}, app.ExitError, []string{`"vault"`, "docker", "ecr"}},
		{"a place for the feed that is none", map[string]string{"RUNECAST_FEED_URL": "ftp://feeds.example/x"}, []string{"policy", "list"}, app.ExitError, []string{"feedUrl: it is not public, and begins with neither oci:// nor https://"}},
		{"a public URL with a path", map[string]string{"RUNECAST_PUBLIC_URL": "https://runecast.example/x"}, []string{"policy", "list"}, app.ExitError, []string{`publicUrl: "https://runecast.example/x" is not of the form https://host[:port]`}},
		{"a public URL without TLS", map[string]string{"RUNECAST_PUBLIC_URL": "http://runecast.example"}, []string{"policy", "list"}, app.ExitError, []string{"publicUrl: "}},
		{"a public URL with a port", map[string]string{"RUNECAST_PUBLIC_URL": "https://runecast.example:8443"}, []string{"policy", "list"}, app.ExitOK, []string{"built-in"}},
		{"wrong duration", map[string]string{"RUNECAST_RESOLVE_TTL": "soon"}, []string{"policy", "list"}, app.ExitError, []string{"resolveTtl", "invalid duration"}},
		{"missing file", nil, []string{"--config", dir + "/none.yaml", "policy", "list"}, app.ExitError, []string{"error: read the settings of " + dir + "/none.yaml: ", "no such file"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			for name, value := range step.env {
				t.Setenv(name, value)
			}
			code, out, errOut := runProgram(t.Context(), "", append([]string{"--log-level", "error"}, step.args...)...)
			want(t, code, out+errOut, step.code, step.want...)
		})
	}
	unknown := write(t, filepath.Join(dir, "unknown.yaml"), []byte("dataDirectory: x\nlisten: :1\n"))
	code, _, errOut := runProgram(t.Context(), "", "--config", unknown, "policy", "list")
	want(t, code, errOut, app.ExitError, "dataDirectory")
}
