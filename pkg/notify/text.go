package notify

import (
	"fmt"
	"strings"
	"time"
)

// wording says a notification to people.
type wording struct{ publicURL string }

const (
	maxTitle = 150 // runes; Slack's headers and most mail programs show no more
	maxField = 128
)

// title is one line.
func (w wording) title(n *Notification) string {
	c := &n.Content
	text, id := "", line(c.Policy.ID, maxField)
	switch n.Kind {
	case KindDeny, KindUnknown, KindWarn:
		what := map[Kind]string{KindDeny: "Denied", KindUnknown: "Not judged", KindWarn: "Allowed in spite of violations"}[n.Kind]
		text = fmt.Sprintf("%s: %s by policy %s", what, objectName(c.Object), id)
	case KindFlip:
		text = fmt.Sprintf("A new feed changes %s to %s under policy %s", plural(c.Count, "verdict"), c.Verdict, id)
		return line(text, maxTitle)
	case KindMore:
		text = fmt.Sprintf("%s more: over %d notifications an hour", plural(c.Count, "event"), c.Limit)
		return line(text, maxTitle)
	case KindTest:
		return "A test: notifications of Runecast arrive here"
	}
	if c.Count > 1 {
		text = line(text, maxTitle-20) + fmt.Sprintf(", %d times", c.Count)
	}
	return line(text, maxTitle)
}

func objectName(o *Object) string {
	if o == nil {
		return "an object"
	}
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return line(o.Kind+" "+name, maxField)
}

// page is where more is to be seen; "" where that is not known.
func (w wording) page(n *Notification) string {
	switch {
	case n.Content.Scan != nil:
		return n.Content.Scan.URL
	case w.publicURL == "" || n.Kind == KindTest:
		return ""
	case n.Kind == KindMore:
		return w.publicURL + "/scans"
	default:
		return w.publicURL + "/"
	}
}

// lines is the rest, a line each, without any that comes from elsewhere as it is.
func (w wording) lines(n *Notification) []string {
	c := &n.Content
	if n.Kind == KindTest {
		return []string{"Somebody runs: runecast notify test " + n.Destination}
	}
	var out []string
	if c.Policy.Name != "" {
		out = append(out, fmt.Sprintf("Policy %s: %s (%s)", line(c.Policy.ID, maxField), line(c.Policy.Name, maxField), c.Policy.Mode))
	}
	if c.User != "" {
		out = append(out, "Asked for by "+line(c.User, maxField))
	}
	if c.Count > 1 {
		out = append(out, fmt.Sprintf("%d times from %s to %s", c.Count, moment(c.First), moment(c.Last)))
	} else {
		out = append(out, "At "+moment(c.First))
	}
	for i := range c.Images {
		out = append(out, imageLines(&c.Images[i])...)
	}
	if c.More > 0 {
		out = append(out, "… and "+plural(c.More, "more image"))
	}
	return out
}

func imageLines(i *Image) []string {
	head := line(i.Reference, maxField)
	if i.Before != "" {
		head += fmt.Sprintf(": %s, was %s", i.Verdict, i.Before)
	}
	out := []string{head}
	if i.Cause != "" {
		out = append(out, "  not judged: "+line(i.Cause, maxText))
	}
	for _, broken := range i.Broken {
		out = append(out, "  "+line(broken, maxField))
	}
	for j := range i.Vulnerabilities {
		v := &i.Vulnerabilities[j]
		text := strings.TrimSpace(fmt.Sprintf("%s %s", line(v.ID, maxField), v.Severity)) + ": " + line(v.Package, maxField) + " " + line(v.Version, maxField)
		if v.Fixed != "" {
			text += ", fixed in " + line(v.Fixed, maxField)
		}
		out = append(out, "  "+text)
	}
	if more := i.Violations - len(i.Vulnerabilities) - len(i.Broken); more > 0 {
		out = append(out, "  … and "+plural(more, "more violation"))
	}
	return out
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Title says what a notification tells, in one line.
func (n *Notification) Title() string { return wording{}.title(n) }

// Page is where more is to be seen of what it tells, as a path of the pages; "" where there is no such page.
func (n *Notification) Page() string {
	if n.Content.Scan == nil {
		return ""
	}
	return "/scans/" + n.Content.Scan.ID
}
