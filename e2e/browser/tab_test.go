//go:build browser

package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page of a browser, and all that went wrong in it.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp has its browser in a context
	s   *server

	mu     sync.Mutex
	faults []string
}

// open starts a browser. Where there is none the test is skipped, unless RUNECAST_REQUIRE_BROWSER says that there must be.
func open(t *testing.T, s *server) *tab {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	options = append(options,
		chromedp.ExecPath(chromium(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("ignore-certificate-errors-spki-list", s.pin()), chromedp.Flag("hide-scrollbars", true),
	)
	allocator, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 14*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, s: s}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	b.run(call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{}), call(runtime.Enable, cdp.Empty{}))
	return b
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("RUNECAST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	missing(t, "no Chromium: install Debian's package chromium, or set RUNECAST_CHROMIUM")
	return ""
}

// missing skips the test, or fails it where it must not be skipped.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("RUNECAST_REQUIRE_BROWSER") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// call makes an action of a command of the protocol.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, command, params)
		return chromedp.Void{}, err
	}
}

// evaluate gives what an expression is in the page; it waits for a promise.
func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v: %.200s", err, expression)
	}
	return value
}

// listen keeps what the browser complains of: violations of the content security policy, errors and failed requests.
func (b *tab) listen(event any) {
	fault := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			fault = fmt.Sprintf("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			fault = fmt.Sprintf("console %s: %v", e.Type, e.Args)
		}
	case *runtime.EventExceptionThrown:
		fault = "exception: " + fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.URL)
	case *network.EventLoadingFailed:
		if !e.Canceled {
			fault = fmt.Sprintf("a %s could not be loaded: %s %s", e.Type, e.ErrorText, e.BlockedReason)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			fault = fmt.Sprintf("%d of %s", e.Response.Status, e.Response.URL)
		}
	}
	if fault != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.faults = append(b.faults, fault)
	}
}

// quiet fails where the browser complained since the last time.
func (b *tab) quiet(what string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		b.t.Errorf("%s: the browser complains:\n%s", what, strings.Join(b.faults, "\n"))
	}
	b.faults = nil
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\nthe page: %.6000s", err, b.text("html"))
	}
}

// submit does what loads another page, and waits for it.
func (b *tab) submit(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, actions...)
	if err != nil {
		b.t.Fatalf("%v\nthe page: %.6000s", err, b.text("html"))
	}
	if response.Status >= 400 {
		b.t.Fatalf("%d of %s: %s", response.Status, response.URL, b.text("main"))
	}
}

func (b *tab) visit(path string) {
	b.t.Helper()
	b.submit(chromedp.Navigate(b.s.address + path))
}

// text is what a reader sees of an element.
func (b *tab) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return text
}

// path is where the browser is.
func (b *tab) path() string {
	b.t.Helper()
	return evaluate[string](b, "location.pathname + location.search")
}

// shows fails where the page lacks one of some texts.
func (b *tab) shows(texts ...string) {
	b.t.Helper()
	page := b.text("main")
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Errorf("%s lacks %q:\n%s", b.path(), text, page)
		}
	}
}

// follow clicks on the first link that has a text.
func (b *tab) follow(text string) {
	b.t.Helper()
	b.submit(chromedp.Click(fmt.Sprintf("//main//a[contains(., %q)]", text)))
}

// press clicks on the first button of the page's own that has a text.
func (b *tab) press(text string) {
	b.t.Helper()
	b.submit(chromedp.Click(fmt.Sprintf("//main//button[contains(., %q)]", text)))
}

// refused presses a button and expects an answer that says no, of which the browser complains.
func (b *tab) refused(text string, code int64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, chromedp.Click(fmt.Sprintf("//main//button[contains(., %q)]", text)))
	if err != nil || response.Status != code {
		b.t.Fatalf("%s is answered with %v (%v), want %d", text, response, err, code)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = nil
}
