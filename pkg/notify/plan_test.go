package notify_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/notify"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/rematch"
)

// TestPlan tells each destination what it asks for.
func TestPlan(t *testing.T) {
	t.Parallel()
	plan := notify.NewPlan([]notify.Destination{
		{Name: "default"},
		{Name: "everything", Events: notify.Kinds()},
		{Name: "policy-3", Policies: []string{"3"}},
		{Name: "production", Namespaces: []string{"prod-*", "shop"}},
	}, "")
	for name, c := range map[string]struct {
		change func(*admission.Decision)
		want   string
	}{
		"denied":              {func(*admission.Decision) {}, "default/deny everything/deny production/deny"},
		"denied by policy 3":  {func(d *admission.Decision) { d.PolicyID, d.Namespace = "3", "x" }, "default/deny everything/deny policy-3/deny"},
		"in a pattern":        {func(d *admission.Decision) { d.Namespace = "prod-eu" }, "default/deny everything/deny production/deny"},
		"warned":              {func(d *admission.Decision) { d.Allowed = true }, "everything/warn"},
		"not judged, denied":  {func(d *admission.Decision) { d.Verdict, d.Reason = policy.VerdictUnknown, admission.ReasonUnscannable }, "everything/unknown"},
		"not judged, allowed": {func(d *admission.Decision) { d.Verdict, d.Allowed = policy.VerdictUnknown, true }, "everything/unknown"},
		"a scan is not done":  {func(d *admission.Decision) { d.Verdict, d.Reason = policy.VerdictUnknown, admission.ReasonPending }, ""},
		"compliant":           {func(d *admission.Decision) { d.Verdict, d.Allowed = policy.VerdictAllow, true }, ""},
		"a pipeline asks":     {func(d *admission.Decision) { d.Trigger = admission.TriggerAPI }, ""},
	} {
		d := decision("d-1")
		c.change(d)
		var got []string
		for _, draft := range plan.Decision(d) {
			got = append(got, draft.Destination+"/"+string(draft.Kind))
			if draft.Window != time.Hour || draft.MaxPerHour != 100 || draft.Content.Scan.URL != "" {
				t.Errorf("%s: %+v", name, draft)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
	flip := &rematch.Flip{At: at(), Digest: "sha256:1", Reference: "nginx:1.19", PolicyID: "2", From: policy.VerdictAllow, To: policy.VerdictDeny, ToRevision: "f2"}
	var got []string
	for _, draft := range plan.Flip(flip) {
		got = append(got, draft.Destination+"/"+string(draft.Kind))
	}
	if strings.Join(got, " ") != "default/flip everything/flip production/flip" {
		t.Errorf("%v", got)
	}
}

// TestGroups wants what one owner makes in one group, and nothing else.
func TestGroups(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"web": "web", "web-5d8f7c9b6d-": "web", "web-5d8f7c9b6d": "web-5d8f7c9b6d", "nightly-29876543": "nightly", "nightly-29876543-": "nightly",
		"web-0": "web-0", "a-very-long-name-": "a-very-long", "x-": "x-", "-": "-", "": "", "-5d8f7c-": "-5d8f7c-",
	} {
		if got := notify.Stem(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	plan := notify.NewPlan([]notify.Destination{{Name: "x"}}, "")
	group := func(change func(*admission.Decision)) string {
		d := decision("d")
		d.Name = "web-5d8f7c9b6d-"
		change(d)
		return plan.Decision(d)[0].Group
	}
	same := group(func(*admission.Decision) {})
	for name, change := range map[string]func(*admission.Decision){
		"another id and time": func(d *admission.Decision) { d.ID, d.At = "e", time.Now() },
		"another ReplicaSet":  func(d *admission.Decision) { d.Name = "web-77aaf1bccd-" },
		"another operation":   func(d *admission.Decision) { d.Operation = "UPDATE" },
	} {
		if got := group(change); got != same {
			t.Errorf("%s is another group", name)
		}
	}
	seen := []string{same}
	for name, change := range map[string]func(*admission.Decision){
		"another policy":    func(d *admission.Decision) { d.PolicyID = "3" },
		"another namespace": func(d *admission.Decision) { d.Namespace = "bank" },
		"another object":    func(d *admission.Decision) { d.Name = "api" },
		"another kind":      func(d *admission.Decision) { d.Kind = "Pod" },
		"another image":     func(d *admission.Decision) { d.Images[0].Reference = "nginx:1.20" },
		"more images":       func(d *admission.Decision) { d.Images = append(d.Images, d.Images[0]) },
		"texts that join":   func(d *admission.Decision) { d.Namespace, d.Group = "shopapps", "" },
	} {
		got := group(change)
		if slices.Contains(seen, got) {
			t.Errorf("%s is the same group as something else", name)
		}
		seen = append(seen, got)
	}
}

// TestCollect joins drafts of a group and bounds what they say.
func TestCollect(t *testing.T) {
	t.Parallel()
	plan := notify.NewPlan([]notify.Destination{{Name: "b"}, {Name: "a"}}, "")
	var drafts []notify.Draft
	for i := range 30 {
		drafts = append(drafts, plan.Flip(&rematch.Flip{
			At: at().Add(time.Duration(30-i) * time.Second), Digest: strconv.Itoa(i), Reference: "nginx:1.19", PolicyID: "2", From: policy.VerdictAllow, To: policy.VerdictDeny, ToRevision: "f2",
		})...)
	}
	all := notify.Collect(drafts)
	if len(all) != 2 || all[0].Destination != "a" || all[1].Destination != "b" {
		t.Fatalf("%+v", all)
	}
	for _, d := range all {
		if c := d.Content; c.Count != 30 || len(c.Images) != 20 || c.More != 10 || !c.First.Equal(at().Add(time.Second)) || !c.Last.Equal(at().Add(30*time.Second)) {
			t.Errorf("%+v", c)
		}
	}
	if len(drafts[0].Content.Images) != 1 {
		t.Error("collecting changes what is collected")
	}
}

func TestDelays(t *testing.T) {
	t.Parallel()
	sum := time.Duration(0)
	for attempt := 1; attempt < notify.MaxAttempts; attempt++ {
		want := min(10*time.Second<<(attempt-1), time.Hour)
		for range 100 {
			if d := notify.Delay(attempt, 0); d < want*8/10 || d > want*12/10 {
				t.Fatalf("attempt %d waits %s", attempt, d)
			}
		}
		sum += want
	}
	if sum < 6*time.Hour || sum > 12*time.Hour {
		t.Errorf("all attempts take %s", sum)
	}
	if d := notify.Delay(1, 2*time.Hour); d != 2*time.Hour {
		t.Errorf("a destination that asks for two hours is asked again after %s", d)
	}
}

// TestCheck names what is wrong, and all of it.
func TestCheck(t *testing.T) {
	t.Parallel()
	mailTo := notify.SMTP{Address: "mail.example:587", From: "runecast@example.com", To: []string{"team@example.com"}}
	for want, d := range map[string]notify.Destination{
		"":                                   {Name: "ok", Type: "webhook", URL: "https://receiver.example/x", SecretFile: "s", Events: []notify.Kind{"deny"}, Window: time.Hour},
		"a name has 1 to 63":                 {Name: "No", Type: "webhook", URL: "https://receiver.example/x", SecretFile: "s"},
		`type "sms" is none of`:              {Name: "x", Type: "sms"},
		"a webhook has a url, or a urlFile":  {Name: "x", Type: "webhook", SecretFile: "s"},
		"a webhook has a secretFile":         {Name: "x", Type: "webhook", URL: "https://receiver.example"},
		"the URL is of http:":                {Name: "x", Type: "webhook", URL: "http://receiver.example", SecretFile: "s"},
		"has a user name or password":        {Name: "x", Type: "webhook", URL: "https://u:topsecret@receiver.example", SecretFile: "s"},
		"is not of the form https://host":    {Name: "x", Type: "webhook", URL: "https:///topsecret", SecretFile: "s"},
		"slack has a urlFile":                {Name: "x", Type: "slack", URL: "https://hooks.slack.example/topsecret"},
		`event "denied" is none of`:          {Name: "x", Type: "slack", URLFile: "u", Events: []notify.Kind{"denied"}},
		`namespaces: "[" is no pattern`:      {Name: "x", Type: "slack", URLFile: "u", Namespaces: []string{"["}},
		"window: 1s is not between":          {Name: "x", Type: "slack", URLFile: "u", Window: time.Second},
		"maxPerHour: -1 is negative":         {Name: "x", Type: "slack", URLFile: "u", MaxPerHour: -1},
		"smtp is of e-mail alone":            {Name: "x", Type: "slack", URLFile: "u", SMTP: mailTo},
		`smtp.address: "" is no host:port`:   {Name: "x", Type: "email"},
		"smtp.to: there is no address":       {Name: "x", Type: "email", SMTP: notify.SMTP{Address: "a:25", From: "a@b.example"}},
		`is no address`:                      {Name: "x", Type: "email", SMTP: notify.SMTP{Address: "a:25", From: "a@b.example\r\nBcc: c@d.example", To: []string{"a@b.example"}}},
		`smtp.tls: "ssl" is none of`:         {Name: "x", Type: "email", SMTP: notify.SMTP{Address: "a:25", TLS: "ssl", From: "a@b.example", To: []string{"a@b.example"}}},
		"a password is not sent without TLS": {Name: "x", Type: "email", SMTP: notify.SMTP{Address: "a:25", TLS: "none", Username: "u", PasswordFile: "p", From: "a@b.example", To: []string{"a@b.example"}}},
		"go together":                        {Name: "x", Type: "email", SMTP: notify.SMTP{Address: "a:25", Username: "u", From: "a@b.example", To: []string{"a@b.example"}}},
		"e-mail has neither url":             {Name: "x", Type: "email", SMTP: mailTo, URL: "https://receiver.example"},
	} {
		err := notify.Check([]notify.Destination{d})
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "topsecret") {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	two := notify.Destination{Name: "x", Type: "slack", URLFile: "u"}
	if err := notify.Check([]notify.Destination{two, two}); err == nil || !strings.Contains(err.Error(), `there are two of the name "x"`) {
		t.Errorf("%v", err)
	}
}
