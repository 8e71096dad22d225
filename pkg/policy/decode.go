package policy

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// field is one known key of a mapping and what reads its value.
type field struct {
	key  string
	read func(n *yaml.Node, path string)
}

// mapping reads a mapping whose keys must all be known and different.
func (d *decoder) mapping(n *yaml.Node, path string, fields []field) {
	d.positions[path] = position{n.Line, n.Column}
	if !d.want(n, path, yaml.MappingNode, "a mapping") {
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.failf(key, path, "has a key that is %s: keys are words", kindName(key))
			continue
		}
		at := join(path, clean(key.Value, maxField))
		if line, again := seen[key.Value]; again {
			d.failf(key, at, "is set a second time: line %d sets it already", line)
			continue
		}
		seen[key.Value] = key.Line
		if read := known(fields, key.Value); read != nil {
			d.positions[at] = position{value.Line, value.Column}
			read(value, at)
			continue
		}
		d.failf(key, at, "unknown key%s", nearest(key.Value, fields))
	}
}

func known(fields []field, key string) func(*yaml.Node, string) {
	for i := range fields {
		if fields[i].key == key {
			return fields[i].read
		}
	}
	return nil
}

// nearest proposes a known key, else lists them.
func nearest(key string, fields []field) string {
	keys := make([]string, len(fields))
	for i := range fields {
		keys[i] = fields[i].key
	}
	if hint := didYouMean(key, keys); hint != "" {
		return hint
	}
	return ": known are " + strings.Join(keys, ", ")
}

// list reads each element of a list.
func (d *decoder) list(n *yaml.Node, path string, read func(n *yaml.Node, path string)) {
	if !d.want(n, path, yaml.SequenceNode, "a list") {
		return
	}
	for i, element := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.positions[at] = position{element.Line, element.Column}
		read(element, at)
	}
}

// want checks a node's kind.
func (d *decoder) want(n *yaml.Node, path string, kind yaml.Kind, name string) bool {
	switch {
	case n.Kind == kind && (kind != yaml.ScalarNode || n.ShortTag() != "!!null"):
		return true
	case n.Kind == yaml.AliasNode:
		d.failf(n, path, "is an alias: write the value out")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.failf(n, path, "has no value: give %s or remove the key", name)
	default:
		d.failf(n, path, "must be %s, not %s", name, kindName(n))
	}
	return false
}

// kindName says what a node is.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode, yaml.DocumentNode:
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return "the truth value " + clean(n.Value, maxField)
	case "!!int", "!!float":
		return "the number " + clean(n.Value, maxField)
	}
	return fmt.Sprintf("the text %q", clean(n.Value, maxField))
}

// text reads a text. Numbers and dates count as texts, so that id: 10 and expires: 2026-12-31 need no quotes.
func (d *decoder) text(n *yaml.Node, path string) string {
	if !d.want(n, path, yaml.ScalarNode, "a text") {
		return ""
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!timestamp":
		return n.Value
	}
	d.failf(n, path, "must be a text, not %s: put it in quotes", kindName(n))
	return ""
}

// texts reads a list of texts.
func (d *decoder) texts(n *yaml.Node, path string) []string {
	out := []string{}
	d.list(n, path, func(n *yaml.Node, path string) { out = append(out, d.text(n, path)) })
	return out
}

// boolean reads true or false.
func (d *decoder) boolean(n *yaml.Node, path string) bool {
	if !d.want(n, path, yaml.ScalarNode, "true or false") {
		return false
	}
	var out bool
	if n.ShortTag() != "!!bool" || n.Decode(&out) != nil {
		d.failf(n, path, "must be true or false, not %s", kindName(n))
	}
	return out
}

// number reads a finite number.
func (d *decoder) number(n *yaml.Node, path string) float64 {
	if !d.want(n, path, yaml.ScalarNode, "a number") {
		return 0
	}
	value, err := strconv.ParseFloat(n.Value, 64)
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" || err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		d.failf(n, path, "must be a number, not %s", kindName(n))
		return 0
	}
	return value
}

// duration reads a span of time; an empty text is none.
func (d *decoder) duration(n *yaml.Node, path string) Duration {
	text := d.text(n, path)
	if text == "" {
		return 0 // no limit, or a mistake that is reported already
	}
	out, err := ParseDuration(text)
	if err != nil {
		d.failf(n, path, "%v", err)
	}
	return out
}

func hasKey(n *yaml.Node, key string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return true
		}
	}
	return false
}
