package ui

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	maxDepth  = 4   // of fields within fields that are listed
	maxFields = 120 // of one request or answer
)

// schemas tells of JSON schemas what the page shows. References are looked up in the registry.
type schemas struct{ registry huma.Registry }

// resolve follows references; nil becomes a schema that says nothing.
func (k schemas) resolve(s *huma.Schema) *huma.Schema {
	for range maxDepth {
		if s == nil || s.Ref == "" {
			break
		}
		s = k.registry.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return &huma.Schema{}
	}
	return s
}

// kind words a type: text, integer, list of text, one of a, b.
func (k schemas) kind(s *huma.Schema) string {
	s = k.resolve(s)
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, plain(v))
		}
		return "one of " + strings.Join(values, ", ")
	}
	switch s.Type {
	case huma.TypeArray:
		return "list of " + k.kind(s.Items)
	case huma.TypeString:
		switch s.Format {
		case "date-time":
			return "time, as 2006-01-31T15:04:05Z"
		case "":
			return "text"
		}
		return "text, " + s.Format
	case "":
		var kinds []string
		for _, one := range slices.Concat(s.OneOf, s.AnyOf) {
			kinds = append(kinds, k.kind(one))
		}
		if len(kinds) > 0 {
			return strings.Join(kinds, " or ")
		}
		return "anything"
	}
	return s.Type
}

// fields lists what a schema has, the names with what they stand in before them.
func (k schemas) fields(s *huma.Schema) []apiField {
	var list []apiField
	k.walk("", s, maxDepth, &list)
	return list
}

func (k schemas) walk(before string, s *huma.Schema, depth int, list *[]apiField) {
	s = k.resolve(s)
	if s.Type == huma.TypeArray {
		k.walk(strings.TrimSuffix(before, ".")+"[].", s.Items, depth, list)
		return
	}
	if depth == 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if len(*list) >= maxFields {
			return
		}
		property := s.Properties[name]
		inner := k.resolve(property)
		text := inner.Description
		if property.Description != "" {
			text = property.Description
		}
		*list = append(*list, apiField{Name: before + name, Type: k.kind(inner), Text: text, Required: slices.Contains(s.Required, name)})
		k.walk(before+name+".", inner, depth-1, list)
	}
}

// example is a body to begin with: what is required, by its examples where it has any.
func (k schemas) example(s *huma.Schema) string {
	text, err := json.MarshalIndent(k.sample(s, maxDepth), "", "  ")
	if err != nil {
		return "{}"
	}
	return string(text)
}

func (k schemas) sample(s *huma.Schema, depth int) any {
	s = k.resolve(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return k.sample(s.OneOf[0], depth)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, property := range s.Properties {
			if depth > 0 && slices.Contains(s.Required, name) {
				object[name] = k.sample(property, depth-1)
			}
		}
		return object
	case huma.TypeArray:
		if depth == 0 {
			return []any{}
		}
		return []any{k.sample(s.Items, depth-1)}
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return false
	}
	return ""
}

// plain words a value of a schema; "" for none.
func plain(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
