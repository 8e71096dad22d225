package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/advisory"
)

const (
	maxID   = 63  // as a DNS label, since ids end up in paths and webhook names
	maxName = 200 // runes
)

// compiler checks one policy and makes what Evaluate needs. It goes on after a mistake, so that all are reported at once.
type compiler struct {
	policy   *Policy
	problems []Problem
	cel      *celEnv // made for the first expression
}

func (c *compiler) failf(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// check records an error at a path.
func (c *compiler) check(path string, err error) bool {
	if err != nil {
		c.failf(path, "%v", err)
	}
	return err == nil
}

func (c *compiler) compile() *compiled {
	p := c.policy
	c.identity()
	out := &compiled{vex: vexIndex{}}
	if len(p.Rules) == 0 {
		c.failf("rules", "a policy needs at least one rule, such as severity: high")
	}
	for i := range p.Rules {
		rule := c.rule(&p.Rules[i], fmt.Sprintf("rules[%d]", i))
		out.needsScan = out.needsScan || rule.perFinding()
		out.rules = append(out.rules, rule)
	}
	out.lists = listsOf(p.Rules)
	for i, text := range p.ExemptImages {
		pattern, err := parseImagePattern(text)
		if c.check(fmt.Sprintf("exemptImages[%d]", i), err) {
			out.exempt = append(out.exempt, pattern)
		}
	}
	for i := range p.Exemptions {
		out.exemptions = append(out.exemptions, c.exemption(&p.Exemptions[i], fmt.Sprintf("exemptions[%d]", i)))
	}
	for i := range p.VEX {
		out.vex.add(&p.VEX[i])
	}
	if p.MaxFeedAge < 0 {
		c.failf("maxFeedAge", "%s is below zero", p.MaxFeedAge)
	}
	out.revision = c.revision()
	return out
}

// listsOf tells which lists rules ask about. An expression asks about a list whose fields it names.
func listsOf(rules []Rule) []string {
	var lists []string
	asks := func(r *Rule, fields ...string) bool {
		return slices.ContainsFunc(fields, func(field string) bool { return strings.Contains(r.CEL, field) })
	}
	for i := range rules {
		r := &rules[i]
		if r.KEV != nil || asks(r, ".kev", ".ransomware") {
			lists = append(lists, ListKEV)
		}
		if r.EPSS != nil || asks(r, ".epss") {
			lists = append(lists, ListEPSS)
		}
		if r.Severity != advisory.SeverityUnknown || r.CVSS > 0 || asks(r, ".severity", ".cvss") {
			lists = append(lists, ListRatings)
		}
	}
	slices.Sort(lists)
	return slices.Compact(lists)
}

// identity checks id, name, mode and switches.
func (c *compiler) identity() {
	p := c.policy
	switch {
	case p.ID == "":
		c.failf("id", "is missing: give the policy an id, such as 10 or team-a")
	case len(p.ID) > maxID || strings.Trim(p.ID, ".-_") != p.ID || !validTag(p.ID):
		c.failf("id", "%q is no policy id: use at most %d letters, digits, dots, dashes and underscores, with a letter or digit at both ends", clean(p.ID, maxField), maxID)
	}
	switch {
	case strings.TrimSpace(p.Name) == "":
		c.failf("name", "is missing: denials show it to the user")
	case utf8.RuneCountInString(p.Name) > maxName:
		c.failf("name", "has more than %d characters", maxName)
	case !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		c.failf("name", "must be one line without control characters")
	}
	oneOf(c, "mode", p.Mode, ModeEnforce, ModeWarn, ModeAudit)
	for _, name := range []string{switchPending, switchUnscannable, switchNoFeed, switchStaleFeed, switchUnknownDistro, switchEndOfLife} {
		oneOf(c, name, p.action(name), ActionDeny, ActionWarn, ActionAllow)
	}
}

// oneOf checks a word against the words allowed.
func oneOf[T ~string](c *compiler, path string, value T, allowed ...T) {
	if slices.Contains(allowed, value) {
		return
	}
	words := make([]string, len(allowed))
	for i, word := range allowed {
		words[i] = string(word)
	}
	c.failf(path, "%q is none of %s%s", clean(string(value), maxField), strings.Join(words, ", "), didYouMean(string(value), words))
}

// texts checks a list of words that must not be empty nor hold empty ones.
func (c *compiler) texts(path string, list []string) {
	if list != nil && len(list) == 0 {
		c.failf(path, "is an empty list: name at least one or remove the key")
	}
	for i, text := range list {
		if strings.TrimSpace(text) != text || text == "" {
			c.failf(fmt.Sprintf("%s[%d]", path, i), "%q is empty or has blanks around it", clean(text, maxField))
		}
	}
}

// revision hashes the policy's canonical JSON.
func (c *compiler) revision() string {
	text, err := json.Marshal(c.policy)
	if err != nil { // only a NaN threshold can do this, which its own check reports
		c.failf("", "cannot be written as JSON: %v", err)
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
