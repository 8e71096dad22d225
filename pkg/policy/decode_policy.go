package policy

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/runecast/runecast/pkg/advisory"
)

// policy reads one policy; checks of its values come later, when it is compiled.
func (d *decoder) policy(n *yaml.Node, path string) *Policy {
	p := &Policy{Source: Source(d.file)}
	action := func(to *Action) func(*yaml.Node, string) {
		return func(n *yaml.Node, path string) { *to = Action(d.word(n, path)) }
	}
	d.mapping(n, path, []field{
		{"id", func(n *yaml.Node, path string) { p.ID = d.text(n, path) }},
		{"name", func(n *yaml.Node, path string) { p.Name = d.text(n, path) }},
		{"description", func(n *yaml.Node, path string) { p.Description = d.text(n, path) }},
		{"mode", func(n *yaml.Node, path string) { p.Mode = Mode(d.word(n, path)) }},
		{"rules", func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) { p.Rules = append(p.Rules, d.rule(n, path)) })
		}},
		{"onPending", action(&p.OnPending)},
		{"onUnscannable", action(&p.OnUnscannable)},
		{"onNoFeed", action(&p.OnNoFeed)},
		{"onStaleFeed", action(&p.OnStaleFeed)},
		{"onUnknownDistro", action(&p.OnUnknownDistro)},
		{"onEndOfLife", action(&p.OnEndOfLife)},
		{"maxFeedAge", func(n *yaml.Node, path string) { p.MaxFeedAge = d.duration(n, path) }},
		{"exemptImages", func(n *yaml.Node, path string) { p.ExemptImages = d.texts(n, path) }},
		{"exemptions", func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) { p.Exemptions = append(p.Exemptions, d.exemption(n, path)) })
		}},
		{"vex", func(n *yaml.Node, path string) {
			d.list(n, path, func(n *yaml.Node, path string) { d.vex(n, path, &p.VEX) })
		}},
	})
	return p
}

// word reads a text that must not be empty, for enumerations whose empty value means the default.
func (d *decoder) word(n *yaml.Node, path string) string {
	text := d.text(n, path)
	if text == "" && n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		d.failf(n, path, "is empty: give a value or remove the key")
	}
	return text
}

func (d *decoder) rule(n *yaml.Node, path string) Rule {
	var r Rule
	d.mapping(n, path, []field{
		{"name", func(n *yaml.Node, path string) { r.Name = d.text(n, path) }},
		{"severity", func(n *yaml.Node, path string) { r.Severity = d.severity(n, path) }},
		{"unknownSeverity", func(n *yaml.Node, path string) { r.UnknownSeverity = UnknownRating(d.word(n, path)) }},
		{"cvss", func(n *yaml.Node, path string) { r.CVSS = d.threshold(n, path) }},
		{"epss", func(n *yaml.Node, path string) { r.EPSS = d.epss(n, path) }},
		{"kev", func(n *yaml.Node, path string) { r.KEV = new(d.boolean(n, path)) }},
		{"fixAvailable", func(n *yaml.Node, path string) { r.FixAvailable = new(d.boolean(n, path)) }},
		{"fixState", func(n *yaml.Node, path string) {
			r.FixState = []advisory.FixState{} // an empty list is a mistake, and not none
			for _, word := range d.texts(n, path) {
				r.FixState = append(r.FixState, advisory.FixState(word))
			}
		}},
		{"fixAge", func(n *yaml.Node, path string) { r.FixAge = d.duration(n, path) }},
		{"packageTypes", func(n *yaml.Node, path string) { r.PackageTypes = d.texts(n, path) }},
		{"ids", func(n *yaml.Node, path string) { r.IDs = d.texts(n, path) }},
		{"packages", func(n *yaml.Node, path string) { r.Packages = d.texts(n, path) }},
		{"cel", func(n *yaml.Node, path string) { r.CEL = d.word(n, path) }},
		{"allowedRegistries", func(n *yaml.Node, path string) { r.AllowedRegistries = d.texts(n, path) }},
	})
	return r
}

// severity reads a threshold. Unknown is none: what it means is said by unknownSeverity.
func (d *decoder) severity(n *yaml.Node, path string) advisory.Severity {
	text := d.word(n, path)
	if text == "" {
		return advisory.SeverityUnknown
	}
	severity, err := advisory.ParseSeverity(text)
	if err != nil || severity == advisory.SeverityUnknown {
		words := []string{"critical", "high", "medium", "low", "none"}
		d.failf(n, path, "%q is none of critical, high, medium, low, none%s", clean(text, maxField), didYouMean(text, words))
		return advisory.SeverityHigh // a stand-in, so that the rest of the rule is checked as if this were right
	}
	return severity
}

// threshold reads a number above zero, as zero would mean that it is not set.
func (d *decoder) threshold(n *yaml.Node, path string) float64 {
	before := len(d.problems)
	value := d.number(n, path)
	if value == 0 && len(d.problems) == before {
		d.failf(n, path, "must be above 0: remove the key to set no threshold")
	}
	return value
}

func (d *decoder) epss(n *yaml.Node, path string) *EPSSRule {
	var e EPSSRule
	d.mapping(n, path, []field{
		{"probability", func(n *yaml.Node, path string) { e.Probability = d.threshold(n, path) }},
		{"percentile", func(n *yaml.Node, path string) { e.Percentile = d.threshold(n, path) }},
		{"unknown", func(n *yaml.Node, path string) { e.Unknown = UnknownRating(d.word(n, path)) }},
	})
	return &e
}

func (d *decoder) exemption(n *yaml.Node, path string) Exemption {
	var e Exemption
	d.mapping(n, path, []field{
		{"ids", func(n *yaml.Node, path string) { e.IDs = d.texts(n, path) }},
		{"package", func(n *yaml.Node, path string) { e.Package = d.word(n, path) }},
		{"ecosystem", func(n *yaml.Node, path string) { e.Ecosystem = d.word(n, path) }},
		{"image", func(n *yaml.Node, path string) { e.Image = d.word(n, path) }},
		{"reason", func(n *yaml.Node, path string) { e.Reason = d.text(n, path) }},
		{"owner", func(n *yaml.Node, path string) { e.Owner = d.text(n, path) }},
		{"expires", func(n *yaml.Node, path string) { e.Expires = d.word(n, path) }},
		{"untilFix", func(n *yaml.Node, path string) { e.UntilFix = d.boolean(n, path) }},
	})
	return e
}

// vex reads an OpenVEX document: inline, or by the name of a document that was handed to Load.
func (d *decoder) vex(n *yaml.Node, path string, out *[]VEXDocument) {
	if !d.want(n, path, yaml.MappingNode, "an OpenVEX document, or file: and the name of one") {
		return
	}
	content, ok := d.vexContent(n, path)
	if !ok {
		return
	}
	parsed, err := ParseVEX(content)
	if err != nil {
		d.failf(n, path, "%v", err)
		return
	}
	*out = append(*out, parsed)
}

// vexContent gives the JSON of a document, wherever it is.
func (d *decoder) vexContent(n *yaml.Node, path string) ([]byte, bool) {
	if hasKey(n, "file") && !hasKey(n, "@context") {
		name := ""
		d.mapping(n, path, []field{{"file", func(n *yaml.Node, path string) { name = d.word(n, path) }}})
		content := d.document(name)
		if content == nil && name != "" {
			d.failf(n, join(path, "file"), "%q is not among the documents given: put the OpenVEX file beside the policy file", clean(name, maxField))
		}
		return content, content != nil
	}
	value, ok := d.jsonValue(n, path)
	if !ok {
		return nil, false
	}
	content, err := json.Marshal(value)
	if err != nil {
		d.failf(n, path, "cannot be written as JSON: %v", err)
		return nil, false
	}
	return content, true
}

func (d *decoder) document(name string) []byte {
	for i := range d.documents {
		if d.documents[i].Name == name {
			return d.documents[i].Content
		}
	}
	return nil
}

// jsonValue turns a node into what its JSON would decode to. Dates stay texts.
func (d *decoder) jsonValue(n *yaml.Node, path string) (any, bool) {
	switch n.Kind {
	case yaml.MappingNode:
		out, ok := map[string]any{}, true
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, again := out[key]; again {
				d.failf(n.Content[i], join(path, clean(key, maxField)), "is set a second time")
				ok = false
			}
			value, good := d.jsonValue(n.Content[i+1], join(path, clean(key, maxField)))
			out[key], ok = value, ok && good
		}
		return out, ok
	case yaml.SequenceNode:
		out, ok := []any{}, true
		for i, child := range n.Content {
			value, good := d.jsonValue(child, fmt.Sprintf("%s[%d]", path, i))
			out, ok = append(out, value), ok && good
		}
		return out, ok
	case yaml.AliasNode:
		d.failf(n, path, "is an alias: write the value out")
		return nil, false
	case yaml.ScalarNode, yaml.DocumentNode:
	}
	switch n.ShortTag() {
	case "!!bool":
		return d.boolean(n, path), true
	case "!!int", "!!float":
		return json.Number(n.Value), true
	case "!!null":
		return nil, true
	}
	return n.Value, true
}
