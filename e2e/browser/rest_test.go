//go:build browser

package browser

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// tryREST sends requests from the page of the REST interface, with a token that is typed in.
func (j *journey) tryREST() {
	j.visit("/tokens")
	j.run(chromedp.SendKeys(chromedp.CSS("#name"), "try"), chromedp.SetValue(chromedp.CSS("#access"), "Global Admin"))
	j.press("Create token")
	token := j.text("#secret")
	j.visit("/api")
	send := func(operation, want string) {
		j.t.Helper()
		j.run(chromedp.Click("//details[@id='" + operation + "']//button[starts-with(., 'Send')]"))
		until(j.t, operation+" shows "+want, func() bool { return strings.Contains(j.text("#"+operation+" [data-answer]"), want) })
	}
	open := func(operation string) { j.run(chromedp.Click("//details[@id='" + operation + "']/summary")) }
	open("get-feed")
	send("get-feed", "Type an API token in first.")
	j.run(chromedp.SendKeys(chromedp.CSS("#token"), token))
	send("get-feed", `"available": true`)
	j.picture("api-answer")
	open("list-scans")
	j.run(chromedp.SendKeys(chromedp.CSS("#list-scans-image"), j.s.vulnerable), chromedp.SendKeys(chromedp.CSS("#list-scans-limit"), "1"))
	send("list-scans", j.s.vulnerable)
	if got := j.text("#list-scans [data-status]"); !strings.HasPrefix(got, "200 ") || !strings.HasSuffix(got, "application/json") {
		j.t.Errorf("the status is %q", got)
	}
	open("get-policy")
	j.run(chromedp.SendKeys(chromedp.CSS("#get-policy-id"), "2"))
	send("get-policy", `"onPending": "deny"`)
	if kept := evaluate[int](j.tab, "localStorage.length + sessionStorage.length"); kept != 0 {
		j.t.Errorf("the page keeps %d things", kept)
	}
	j.quiet("try the REST interface")
}
