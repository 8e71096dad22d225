package policy

import (
	"fmt"
	"slices"
	"strings"
)

const maxListed = 5 // patterns shown in a violation

// registryCondition holds for images that come from none of the allowed registries.
type registryCondition struct {
	allowed []glob
	listed  []string // for the user
	remedy  string   // how to set the list, where it is empty
}

func (c *compiler) registries(r *Rule, path string) *registryCondition {
	if r.AllowedRegistries == nil {
		return nil
	}
	out := &registryCondition{listed: slices.Clone(r.AllowedRegistries), remedy: "set allowedRegistries in the policy"}
	if c.policy.Source == SourceBuiltIn {
		out.remedy = "set the server's option allowedRegistries, for example to docker.io/library"
	}
	for i, text := range r.AllowedRegistries {
		pattern, err := parseRegistryPattern(text)
		if c.check(fmt.Sprintf("%s.allowedRegistries[%d]", path, i), err) {
			out.allowed = append(out.allowed, pattern)
		}
	}
	return out
}

// match tells whether the image is outside the allowed registries and why. A reference that cannot be read is outside.
func (r *registryCondition) match(ref *reference, refErr error) (detail string, outside bool) {
	if refErr != nil {
		return refErr.Error() + ", so its registry cannot be told", true
	}
	if len(r.allowed) == 0 {
		return fmt.Sprintf("%s: no registry is allowed yet: %s", clean(ref.repository, maxName), r.remedy), true
	}
	for i := range r.allowed {
		if r.allowed[i].match(ref.repository) {
			return "", false
		}
	}
	shown := make([]string, 0, maxListed+1)
	for i, text := range r.listed {
		if i == maxListed {
			shown = append(shown, fmt.Sprintf("%d more", len(r.listed)-i))
			break
		}
		shown = append(shown, clean(text, maxField))
	}
	return fmt.Sprintf("%s is not in an allowed registry (%s)", clean(ref.repository, maxName), strings.Join(shown, ", ")), true
}
