package policy

import (
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// BuiltInOptions is what an operator can set about the built-in policies.
type BuiltInOptions struct {
	AllowedRegistries []string // patterns of policy 4; with none, every image violates it
	ExemptImages      []string // nil: DefaultExemptImages; empty: none
	MaxFeedAge        Duration // default 0: no limit
}

// NewSet makes the built-in policies, 1 to 5. They ignore findings that nobody rated, as they speak of critical and high, and
// count them in a warning; findings that are not certain but rated so leave the image undecided. A malformed pattern in the options is an *Error.
func NewSet(opts BuiltInOptions) (*Set, error) {
	on := true
	rated := Rule{Severity: advisory.SeverityHigh, UnknownSeverity: UnknownIgnore}
	fixable := rated
	fixable.FixAvailable = &on
	registries := Patterns(slices.Clone(opts.AllowedRegistries))
	if registries == nil {
		registries = Patterns{}
	}
	policies := []*Policy{
		{
			ID: "1", Name: "No critical or high severity vulnerabilities", Rules: []Rule{rated},
			Description: "Denies images with a vulnerability of critical or high severity, whether or not a fix exists.",
		},
		{
			ID: "2", Name: "No critical or high severity vulnerabilities with available fix", Rules: []Rule{fixable},
			Description: "Denies images with a vulnerability of critical or high severity for which a fixed version of the package exists.",
		},
		{
			ID: "3", Name: "No known exploited vulnerabilities", Rules: []Rule{{KEV: &on}},
			Description: "Denies images with a vulnerability of CISA's catalogue of known exploited vulnerabilities, whatever its severity.",
		},
		{
			ID: "4", Name: "Only images from allowed registries", Rules: []Rule{{AllowedRegistries: registries}},
			Description: "Denies images whose registry or repository is not in the list that the server is given. Needs no scan.",
		},
		{
			ID: "5", Name: "Audit only", Mode: ModeAudit, Rules: []Rule{rated},
			Description: "Allows every image and records what policy 1 would have found.",
		},
	}
	made := make([]*Policy, len(policies))
	for i, p := range policies {
		p.Source, p.MaxFeedAge, p.ExemptImages = SourceBuiltIn, opts.MaxFeedAge, slices.Clone(opts.ExemptImages)
		built, err := New(p)
		if err != nil {
			return nil, err
		}
		made[i] = built
	}
	return (&Set{}).extend(made), nil
}
