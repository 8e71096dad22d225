//go:build browser

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// axe is the accessibility checker's script, which make test-browser fetches.
func axe(t *testing.T) string {
	t.Helper()
	file := os.Getenv("RUNECAST_AXE")
	if file == "" {
		missing(t, "set RUNECAST_AXE to axe-core's axe.min.js: make test-browser fetches it")
	}
	script, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// axeRun gives one line for each element that breaks a rule.
const axeRun = `axe.run(document, {preload: false, rules: {'target-size': {enabled: true}}}).then(r =>
	r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ': ' + n.html.slice(0, 160) + ' ' + (n.failureSummary || '').replaceAll('\n', ' '))))`

// layoutShift is the sum of what has moved since the page was loaded (https://web.dev/articles/cls).
const layoutShift = `new Promise(done => { const told = {sum: 0, moved: []}; new PerformanceObserver(list => { for (const e of list.getEntries()) { told.sum += e.value;
	for (const s of e.sources) told.moved.push((s.node?.outerHTML ?? s.node?.textContent ?? '').slice(0, 120) + ' ' + JSON.stringify(s.previousRect) + ' ' + JSON.stringify(s.currentRect)) } })
	.observe({type: 'layout-shift', buffered: true}); requestAnimationFrame(() => setTimeout(() => done(told), 60)) })`

// shift is what layoutShift gives.
type shift struct {
	Sum   float64  `json:"sum"`
	Moved []string `json:"moved"`
}

// tooWide lists elements that reach beyond the window, where the page itself can be scrolled sideways.
const tooWide = `document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
	[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 160)).concat('the page')`

// inspect looks at a page in both themes and at both widths: axe-core finds nothing, nothing moves, nothing is cut, the browser does not
// complain. It writes a picture of each.
func (b *tab) inspect(name, path, axe string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 1280} {
			what := fmt.Sprintf("%s-%d-%s", name, width, theme)
			b.look(width, theme)
			b.visit(path)
			moved, wide := evaluate[shift](b, layoutShift), evaluate[[]string](b, tooWide)
			b.picture(what)
			b.run(chromedp.Evaluate[chromedp.Void](axe))
			violations := evaluate[[]string](b, axeRun)
			if moved.Sum != 0 {
				b.t.Errorf("%s: the layout shifts by %f:\n%s", what, moved.Sum, strings.Join(moved.Moved, "\n"))
			}
			if len(wide) > 0 {
				b.t.Errorf("%s is wider than the window:\n%s", what, strings.Join(wide, "\n"))
			}
			if len(violations) > 0 {
				b.t.Errorf("%s: axe-core finds\n%s", what, strings.Join(violations, "\n"))
			}
			b.quiet(what)
		}
	}
	b.look(1280, "light")
}

// look sets the window's width and the theme that the system prefers.
func (b *tab) look(width int64, theme string) {
	b.t.Helper()
	b.run(chromedp.EmulateViewport(width, 800),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}))
}

// picture writes what is seen into the directory RUNECAST_PICTURES.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("RUNECAST_PICTURES")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, 40*time.Second)
	defer cancel()
	plain, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), plain, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// stops marks the controls of a page that the keyboard must reach, and tells how many there are.
const stops = `(() => { let n = 0;
	for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'))
		if (e.checkVisibility({visibilityProperty: true}) && !e.disabled) e.dataset.stop = n++;
	document.activeElement?.blur(); window.getSelection().removeAllRanges(); document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex');
	return n })()`

// focused tells which control has the focus, and whether that can be seen.
const focused = `(() => { const e = document.activeElement; const s = e ? getComputedStyle(e) : {};
	return JSON.stringify({stop: e?.dataset.stop ?? '', html: e?.outerHTML.slice(0, 120) ?? '', seen: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1}) })()`

// walk goes through a page by the Tab key: each control is reached, in the order of the page, and shows that it has the focus.
func (b *tab) walk(path string) {
	b.t.Helper()
	b.visit(path)
	count := evaluate[int](b, stops)
	reached, last := map[string]bool{}, -1
	for range 10*count + 20 {
		if len(reached) == count {
			break
		}
		b.run(chromedp.KeyEvent(kb.Tab))
		told := evaluate[string](b, focused)
		var at struct {
			Stop string `json:"stop"`
			HTML string `json:"html"`
			Seen bool   `json:"seen"`
		}
		if err := json.Unmarshal([]byte(told), &at); err != nil {
			b.t.Fatal(err)
		}
		if at.Stop == "" {
			continue
		}
		var position int
		if _, err := fmt.Sscan(at.Stop, &position); err != nil {
			b.t.Fatal(err)
		}
		if !at.Seen {
			b.t.Errorf("%s: the focus cannot be seen at %s", path, at.HTML)
		}
		if position < last {
			b.t.Errorf("%s: the focus goes back to %s", path, at.HTML)
		}
		last = position
		reached[at.Stop] = true
	}
	if len(reached) != count {
		b.t.Errorf("%s: Tab reaches %d of %d controls", path, len(reached), count)
	}
	b.quiet(path)
}

// skips tries the link that leads past the navigation.
func (b *tab) skips(path string) {
	b.t.Helper()
	b.visit(path)
	evaluate[int](b, stops)
	b.run(chromedp.KeyEvent(kb.Tab))
	first := evaluate[string](b, `document.activeElement.textContent`)
	b.run(chromedp.KeyEvent(kb.Enter))
	then := evaluate[string](b, `document.activeElement.id`)
	if first != "Skip to content" || then != "main" {
		b.t.Errorf("%s: the first stop is %q, and leads to %q", path, first, then)
	}
}
