//go:build browser

package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/runecast/runecast/pkg/image/imagetest"
)

// journey is what the parts of the test share.
type journey struct {
	*tab
	axe   string
	token string
	scan  string // path of the denied scan's page
	two   string // path of the page of a scan of two images
	vuln  string // path of a vulnerability's page
}

// TestPages goes through the pages as the people do for whom they are made. The parts build upon each other.
func TestPages(t *testing.T) {
	script := axe(t)
	chromium(t)
	s := start(t)
	j := &journey{tab: open(t, s), axe: script}
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"log in", j.logIn},
		{"create a token", j.createToken},
		{"a review is denied", j.review},
		{"open the scan", j.openScan},
		{"open a vulnerability", j.openVulnerability},
		{"scan an image", j.scanImage},
		{"try the REST interface", j.tryREST},
		{"change a policy", j.changePolicy},
		{"add an exemption", j.addExemption},
		{"every page", j.pages},
		{"keyboard", j.keyboard},
	} {
		if !t.Run(part.name, func(t *testing.T) { j.t, j.s.t = t, t; part.do() }) {
			t.Logf("the server's log: %s", tail(s.log.String()))
			return
		}
	}
}

func tail(text string) string { return text[max(0, len(text)-3000):] }

func (j *journey) logIn() {
	j.inspect("login", "/login", j.axe)
	j.visit("/scans")
	if !strings.HasPrefix(j.path(), "/login?next=") {
		j.t.Fatalf("without a login one is at %s", j.path())
	}
	j.run(chromedp.SendKeys(chromedp.CSS("#name"), "admin"), chromedp.SendKeys(chromedp.CSS("#password"), oneTime))
	j.press("Log in")
	j.inspect("password", "/password", j.axe)
	j.run(chromedp.SendKeys(chromedp.CSS("#old"), oneTime), chromedp.SendKeys(chromedp.CSS("#password"), password), chromedp.SendKeys(chromedp.CSS("#again"), password))
	j.press("Change password")
	j.quiet("log in")
}

func (j *journey) createToken() {
	j.inspect("tokens-empty", "/tokens", j.axe)
	j.run(chromedp.SendKeys(chromedp.CSS("#name"), hostile), chromedp.SetValue(chromedp.CSS("#access"), "Review"))
	j.press("Create token")
	j.token = j.text("#secret")
	if len(j.token) != 36 {
		j.t.Fatalf("the token is %q", j.token)
	}
	j.shows(hostile, "Review", "live")
	j.picture("token-created")
	j.quiet("create a token")
}

func (j *journey) review() {
	answer := j.s.review(j.token, j.s.vulnerable)
	if !strings.Contains(answer, `"allowed":false`) || !strings.Contains(answer, "Rejected by policy 2") {
		j.t.Fatal(answer)
	}
	if answer = j.s.review(j.token, j.s.fixed); !strings.Contains(answer, `"allowed":true`) {
		j.t.Fatal(answer)
	}
	until(j.t, "the scans are in the list", func() bool {
		j.visit("/scans?image=" + strings.ReplaceAll(j.s.vulnerable, ":", "%3A") + "&evaluation=no")
		return strings.Contains(j.text("main"), "K8s admission controller") && strings.Contains(j.text("main"), "Not compliant")
	})
}

func (j *journey) openScan() {
	j.visit("/scans?trigger=K8s+admission+controller&evaluation=no")
	j.submit(chromedp.Click(chromedp.CSS("tbody a")))
	j.scan = j.path()
	until(j.t, "the findings are stored", func() bool {
		j.visit(j.scan)
		return strings.Contains(j.text("main"), "CVE-2021-3711")
	})
	j.shows("Not compliant", "Pod", "web", "shop", "system:serviceaccount:shop:deployer", "sha256:", "linux/amd64", "Rejected by policy 2", "1.1.1d-0+deb10u7", "3.1 %")
	j.quiet("open the scan")
}

func (j *journey) openVulnerability() {
	j.follow("CVE-2021-33574")
	j.vuln = j.path()
	j.shows("CVE-2021-33574", "Use after free in mq_notify", "40.0 %", "2024-02-02", "ransomware", "libc6", "Attack vector", "from anywhere", j.s.vulnerable, j.s.fixed)
	j.visit("/vulnerabilities?q=3711")
	j.follow("CVE-2021-3711")
	j.shows("SM2 decryption buffer overflow", j.s.vulnerable)
	j.visit("/vulnerabilities/DEBIAN-CVE-2020-0002")
	if j.path() != "/vulnerabilities/CVE-2020-0002" {
		j.t.Errorf("an alias leads to %s", j.path())
	}
	j.shows(hostile)
	j.quiet("open a vulnerability")
}

// scanImage scans images by the form, sees how far that is, and their result when it is there, without doing anything.
func (j *journey) scanImage() {
	gate := make(chan struct{})
	slow := j.s.registry.MustPush(j.t.Context(), "team/slow:1", imagetest.Image(imagetest.Layer(imagetest.Text("etc/os-release", "ID=debian\nVERSION_ID=10\n"))))
	j.s.registry.Inject(imagetest.Path("team/slow/blobs"), 100, j.s.registry.Gate(gate))
	j.visit("/scans")
	j.run(chromedp.Click("//summary[contains(., 'Scan image')]"), chromedp.SendKeys(chromedp.CSS("#images"), j.s.layered+"\n"+slow), chromedp.SetValue(chromedp.CSS("#by"), "1"))
	j.picture("scan-image")
	j.press("Scan image")
	running := j.path()
	until(j.t, "one image is done, the other is not", func() bool { return strings.Contains(j.text("main"), "1 of 2 images are done.") })
	j.shows("Running", j.s.layered, slow, "Waiting")
	j.inspect("running", running, j.axe)
	j.visit("/scans?status=Running")
	j.shows(slow, "Running", "not yet")
	j.visit(running)
	close(gate)
	until(j.t, "the page shows the result", func() bool { return strings.Contains(j.text("main"), "What the asker was told") })
	j.two = running
	j.quiet("scan an image")
}

// setText puts a text into a text area.
func (j *journey) setText(text string) { j.run(chromedp.SetValue(chromedp.CSS("#text"), text)) }

// changePolicy makes a policy that denies nothing, and edits it into one whose preview says what it is going to deny.
func (j *journey) changePolicy() {
	const lax = "id: shop\nname: Shop\nrules:\n  - ids: [CVE-2000-1]\n"
	j.visit("/policies")
	j.follow("New policy")
	j.setText(strings.Replace(lax, "ids:", "idz:", 1))
	j.refused("Preview", 422)
	j.shows("unknown key")
	j.setText(lax)
	j.press("Preview")
	j.shows("What it would do", "3 still allowed") // the fourth image has nothing that can be judged
	j.press("Save")
	if j.path() != "/policies/shop" {
		j.t.Fatalf("a policy that was saved leads to %s", j.path())
	}
	j.inspect("policy-stored", "/policies/shop", j.axe)
	j.visit("/policies/shop/edit")
	j.setText(strings.Replace(lax, "ids: [CVE-2000-1]", "severity: critical", 1))
	j.press("Preview")
	j.shows("What it would do", "newly denied", "nginx:1.19")
	j.picture("policy-preview")
	j.press("Save")
	j.shows("severity critical", "stored, version 2")
	j.quiet("change a policy")
}

// addExemption excuses a vulnerability from the page of the scan that it denied, sees what that would change, and that it did.
func (j *journey) addExemption() {
	j.visit(j.scan + "?q=CVE-2021-3711&sort=package")
	j.follow("Exempt")
	for id, want := range map[string]string{"ids": "CVE-2021-3711", "image": j.s.vulnerable, "policy": "2"} {
		if got := evaluate[string](j.tab, "document.querySelector('#"+id+"').value"); got != want {
			j.t.Errorf("the form has %s %q, want %q", id, got, want)
		}
	}
	j.run(chromedp.SetValue(chromedp.CSS("#ids"), "CVE-2021-3711, CVE-2021-3712"), chromedp.Clear(chromedp.CSS("#package")), chromedp.SendKeys(chromedp.CSS("#reason"), hostile))
	j.press("Preview")
	j.shows("1 newly allowed")
	j.picture("exemption-preview")
	j.press("Save")
	until(j.t, "the review is allowed", func() bool { return strings.Contains(j.s.review(j.token, j.s.vulnerable), `"allowed":true`) })
	until(j.t, "the newest scan of the image complies", func() bool {
		j.visit("/scans?evaluation=yes&image=" + strings.ReplaceAll(j.s.vulnerable, ":", "%3A"))
		return strings.Contains(j.text("tbody"), "K8s admission controller")
	})
	j.submit(chromedp.Click(chromedp.CSS("tbody a")))
	j.shows("Compliant", "exempt: "+hostile)
	j.quiet("add an exemption")
}

func (j *journey) pages() {
	for _, page := range []struct{ name, path string }{
		{"overview", "/"},
		{"overview-day", "/?span=24h"},
		{"risk", "/risk"},
		{"vulnerabilities", "/vulnerabilities"},
		{"vulnerability-v4", "/vulnerabilities/CVE-2019-3843"},
		{"scans", "/scans"},
		{"scans-none", "/scans?image=nothing-like-this"},
		{"scan", j.scan},
		{"scan-by-layer", j.scan + "?by=layer&fixable=no"},
		{"scan-two-images", j.two},
		{"vulnerability", j.vuln},
		{"policies", "/policies"},
		{"policy", "/policies/2"},
		{"policy-edit", "/policies/shop/edit"},
		{"policy-delete", "/policies/shop/delete"},
		{"exemptions", "/exemptions"},
		{"exemption-new", "/exemptions/new?policy=2&id=CVE-2021-3711"},
		{"webhooks", "/webhooks"},
		{"notifications", "/notifications"},
		{"tokens", "/tokens"},
		{"users", "/users"},
		{"api", "/api"},
		{"audit", "/audit"},
	} {
		j.t.Run(page.name, func(t *testing.T) {
			outer := j.t
			defer func() { j.t = outer }()
			j.t = t
			j.inspect(page.name, page.path, j.axe)
		})
	}
	j.look(360, "light")
	j.visit("/scans")
	j.run(chromedp.Click(chromedp.CSS(".menu > summary")))
	j.picture("menu-360-light")
	j.look(1280, "light")
}

func (j *journey) keyboard() {
	j.skips("/scans")
	for _, path := range []string{"/", "/risk", "/vulnerabilities", "/scans", j.scan, j.vuln, "/policies", "/policies/shop/edit", "/exemptions", "/exemptions/new", "/webhooks", "/notifications", "/tokens", "/users", "/audit"} {
		j.walk(path)
	}
	j.look(360, "light")
	j.walk("/scans")
	j.look(1280, "light")
}
