package admission_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

const pages = "https://runecast.example:8443"

func withPages(mode policy.Mode) func(*admission.HandlerConfig, *admission.ReviewerConfig) {
	return func(h *admission.HandlerConfig, r *admission.ReviewerConfig) {
		r.PublicURL = pages
		h.Policies = inMode{h.Policies, mode}
	}
}

// inMode has the policies in another mode.
type inMode struct {
	admission.Policies

	mode policy.Mode
}

func (m inMode) Get(id string) (*policy.Policy, bool) {
	p, ok := m.Policies.Get(id)
	if !ok {
		return nil, false
	}
	changed := *p
	changed.Mode = m.mode
	return &changed, true
}

// TestDenialLinksToItsPage wants the first line as it ever was, and the page's address on the second.
func TestDenialLinksToItsPage(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName), withPages(policy.ModeEnforce))
	lines := strings.Split(g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, "")).Result.Message, "\n")
	d := g.one()
	if len(lines) < 4 || lines[0] != firstLine || lines[1] != "Details: "+pages+"/scans/"+d.ID || !strings.HasPrefix(lines[2], "nginx:1.19 (sha256:") {
		t.Errorf("%q", lines)
	}
	if d.Message != strings.Join(lines, "\n") {
		t.Errorf("the stored message is another than the one that was sent: %q", d.Message)
	}
}

// TestDryRunLinksToNothing since it is not recorded.
func TestDryRunLinksToNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []policy.Mode{policy.ModeEnforce, policy.ModeWarn} {
		g := newGate(t, scannerFunc(byName), withPages(mode))
		response := g.review(podReview("CREATE", []string{"nginx:1.19"}, nil, `,"dryRun":true`))
		if text := fmt.Sprint(response.Result, response.Warnings); strings.Contains(text, pages) {
			t.Errorf("%s: %s", mode, text)
		}
	}
}

// TestWarningsLinkToTheirPage also where there are more warnings than the API server takes.
func TestWarningsLinkToTheirPage(t *testing.T) {
	t.Parallel()
	vulnerable := func(_ context.Context, r scan.Request) (*scan.Report, error) {
		return report(r.Reference, openssl()), nil
	}
	g := newGate(t, scannerFunc(vulnerable), withPages(policy.ModeWarn))
	var images []string
	for i := range 60 {
		images = append(images, fmt.Sprintf("registry.example/%d/%s", i, strings.Repeat("x", 200)))
	}
	response := g.review(podReview("CREATE", images, nil, ""))
	d, total := g.one(), 0
	if !response.Allowed || len(response.Warnings) < 3 || response.Warnings[0] != "runecast: details: "+pages+"/scans/"+d.ID {
		t.Fatalf("%v %q", response.Allowed, response.Warnings)
	}
	for _, w := range response.Warnings {
		total += utf8.RuneCountInString(w)
		if utf8.RuneCountInString(w) > 256 || strings.Contains(w, "\n") {
			t.Errorf("the API server would not show %q", w)
		}
	}
	if total > 4096 {
		t.Errorf("%d runes of warnings", total)
	}
}

// TestWhatIsAllowedHasNoLink as nobody asks why.
func TestWhatIsAllowedHasNoLink(t *testing.T) {
	t.Parallel()
	g := newGate(t, scannerFunc(byName), withPages(policy.ModeWarn))
	if response := g.review(podReview("CREATE", []string{"redis:7"}, nil, "")); !response.Allowed || len(response.Warnings) != 0 {
		t.Errorf("%+v", response)
	}
}
