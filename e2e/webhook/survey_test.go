package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/cmd/runecast/app"
	"github.com/runecast/runecast/pkg/webhook"
)

// testSurvey has a server tell what guards the cluster: first as a service account that may not look, then as one that may list the two
// kinds and nothing else.
func (l *lab) testSurvey(t *testing.T) {
	t.Parallel()
	const name, account = "survey", "system:serviceaccount:runecast:runecast-survey"
	l.namespace(t, "survey-guarded", map[string]string{"test": name})
	l.namespace(t, "survey-other", nil)
	l.webhook(t, app.ExitOK, "apply", "--name", name, "--webhook-name", "survey.runecast.com", "--policy", "2", "--namespace-label", "test="+name, "--url", "https://"+l.address, "--ca-file", l.caFile)
	wrong := newCA(t, "another CA")
	wrongFile := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, wrongFile, wrong.pem())
	l.webhook(t, app.ExitOK, "apply", "--name", "survey-wrong", "--webhook-name", "wrong.survey.runecast.com", "--policy", "2", "--failure-policy", "Ignore", "--namespace-label", "test=nobody", "--url", "https://"+l.address, "--ca-file", wrongFile)

	admin, err := os.ReadFile(l.Kubeconfig)
	must(t, err)
	config := filepath.Join(t.TempDir(), "config")
	text := strings.Replace(string(admin), "users:\n", "users:\n- {name: account, user: {token: "+adminOf(string(admin))+", as: '"+account+"'}}\n", 1)
	text = strings.Replace(text, "contexts:\n", "contexts:\n- {name: account, context: {cluster: test, user: account}}\n", 1)
	text = strings.Replace(text, "current-context: test", "current-context: account", 1)
	writeFile(t, config, []byte(text))
	ask := l.surveyor(t, config)

	code, answer := ask()
	if code != http.StatusServiceUnavailable || !strings.Contains(answer, "validatingwebhookconfigurations.admissionregistration.k8s.io is forbidden") || !strings.Contains(answer, "give its service account the right to list") {
		t.Errorf("without rights: %d %s", code, answer)
	}
	_, err = l.Client.RbacV1().ClusterRoles().Create(t.Context(), &rbac.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbac.PolicyRule{
		{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"validatingwebhookconfigurations"}, Verbs: []string{"list"}},
		{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: []string{"list"}},
	}}, metav1.CreateOptions{})
	must(t, err)
	_, err = l.Client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbac.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbac.Subject{{Kind: rbac.ServiceAccountKind, Namespace: "runecast", Name: "runecast-survey"}},
	}, metav1.CreateOptions{})
	must(t, err)

	var survey webhook.Survey
	eventually(t, func() error { // the API server takes a moment to know the binding
		code, answer := ask()
		if code != http.StatusOK {
			return fmt.Errorf("%d %s", code, answer)
		}
		return json.Unmarshal([]byte(answer), &survey)
	})
	found := map[string]webhook.SurveyedWebhook{}
	for i := range survey.Webhooks {
		found[survey.Webhooks[i].Webhook] = survey.Webhooks[i]
	}
	good, bad := found["survey.runecast.com"], found["wrong.survey.runecast.com"]
	if good.Guarded != 1 || good.Policy != "2" || good.FailurePolicy != "Fail" || good.Certificate == nil || !good.Certificate.Good || good.Certificate.Expires.Before(time.Now().Add(80*day)) {
		t.Errorf("%+v %+v", good, good.Certificate)
	}
	if bad.FailurePolicy != "Ignore" || bad.Certificate == nil || bad.Certificate.Good || !strings.Contains(fmt.Sprint(bad.Certificate.Findings), "does not verify by caBundle") {
		t.Errorf("%+v %+v", bad, bad.Certificate)
	}
	for _, n := range survey.Namespaces {
		guards := []string{}
		for _, g := range n.GuardedBy {
			guards = append(guards, g.Webhook)
		}
		if by := strings.Join(guards, " "); (n.Name == "survey-guarded") != strings.Contains(by, "survey.runecast.com") {
			t.Errorf("%s is guarded by %q", n.Name, by)
		}
	}
}

// surveyor starts a server that looks at the cluster by a kubeconfig, and gives a way to ask it.
func (l *lab) surveyor(t *testing.T, config string) (ask func() (int, string)) {
	t.Helper()
	data := t.TempDir()
	code, token, errOut := run(t.Context(), "--data-dir", data, "token", "create", "--name", "survey", "--quiet")
	if code != app.ExitOK {
		t.Fatal(errOut)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	log := &logBuffer{}
	done := make(chan int, 1)
	go func() {
		done <- app.Main(ctx, []string{"--data-dir", data, "--log-format", "json", "serve", "--listen", "127.0.0.1:0", "--plain-http", "--kubeconfig", config}, app.Streams{In: strings.NewReader(""), Out: io.Discard, Err: log})
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != app.ExitOK {
			t.Errorf("serve ended with %d: %s", code, log)
		}
	})
	address := ""
	eventually(t, func() error {
		for line := range strings.Lines(log.String()) {
			var entry struct {
				Msg     string `json:"msg"`
				Address string `json:"address"`
			}
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				address = entry.Address
				return nil
			}
		}
		return fmt.Errorf("the server does not listen: %s", log)
	})
	return func() (int, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/v1/webhooks", http.NoBody)
		must(t, err)
		request.Header.Set("Authorization", strings.TrimSpace(token))
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		must(t, err)
		return response.StatusCode, string(answer)
	}
}
