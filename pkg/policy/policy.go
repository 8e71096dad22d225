package policy

// Source tells where a policy comes from: SourceBuiltIn, or the name of the file it was loaded from.
type Source string

// SourceBuiltIn marks the policies that the product brings.
const SourceBuiltIn Source = "built-in"

// Policy is a named set of rules with its exceptions. In YAML and JSON its keys are those of the tags below. Make one with New or
// Set.Load, which fill the defaults and compile the rules, and never change it afterwards: policies are shared between reviews.
type Policy struct {
	ID              string        `json:"id" yaml:"id"`                                       // part of the webhook's path: letters, digits, dot, dash, underscore; at most 63
	Name            string        `json:"name" yaml:"name"`                                   // shown in denials; one line of at most 200 runes
	Description     string        `json:"description,omitempty" yaml:"description,omitempty"` // for people; any text
	Mode            Mode          `json:"mode" yaml:"mode"`                                   // default enforce
	Rules           []Rule        `json:"rules" yaml:"rules"`                                 // at least one; a violation if any matches
	OnPending       Action        `json:"onPending" yaml:"onPending"`                         // the scan is not done in time; default deny
	OnUnscannable   Action        `json:"onUnscannable" yaml:"onUnscannable"`                 // the image cannot be read, or a rule cannot be decided; default deny
	OnNoFeed        Action        `json:"onNoFeed" yaml:"onNoFeed"`                           // no vulnerability data, or none for an ecosystem of the image; default deny
	OnStaleFeed     Action        `json:"onStaleFeed" yaml:"onStaleFeed"`                     // the data is older than MaxFeedAge; default deny
	OnUnknownDistro Action        `json:"onUnknownDistro" yaml:"onUnknownDistro"`             // the image has packages of a distribution that is not known, or that OSV has no advisories of; default deny
	OnEndOfLife     Action        `json:"onEndOfLife" yaml:"onEndOfLife"`                     // the distribution's release is past the end of its support, or nobody knows whether it is; default warn
	MaxFeedAge      Duration      `json:"maxFeedAge,omitempty" yaml:"maxFeedAge,omitempty"`   // empty: no limit
	ExemptImages    []string      `json:"exemptImages" yaml:"exemptImages"`                   // image patterns that are always allowed; default DefaultExemptImages, an empty list means none
	Exemptions      []Exemption   `json:"exemptions,omitempty" yaml:"exemptions,omitempty"`   // violations that are accepted
	VEX             []VEXDocument `json:"vex,omitempty" yaml:"vex,omitempty"`                 // OpenVEX documents
	Source          Source        `json:"-" yaml:"-"`                                         // where it comes from; not part of the policy's content

	compiled *compiled // set by New; without it nothing can be judged
	unusable string    // why it cannot be used; see Unusable
}

// compiled is what Evaluate needs, made once when the policy is loaded.
type compiled struct {
	rules      []compiledRule
	exempt     []imagePattern
	exemptions []compiledExemption
	vex        vexIndex
	needsScan  bool
	lists      []string // of ListKEV, ListEPSS and ListRatings those that the rules ask about
	revision   string
}

// DefaultExemptImages are the patterns of a policy that does not set exemptImages: the pause containers that Kubernetes and its
// large providers run beside or instead of workloads. They hold one static binary and come from the providers' own registries:
// the Kubernetes project (current and former address), GKE, AKS (both paths) and EKS.
func DefaultExemptImages() []string {
	return []string{
		"registry.k8s.io/pause:*",
		"k8s.gcr.io/pause:*",
		"gke.gcr.io/pause:*",
		"mcr.microsoft.com/oss/kubernetes/pause:*",
		"mcr.microsoft.com/oss/v2/kubernetes/pause:*",
		"602401143452.dkr.ecr.*.amazonaws.com/eks/pause:*",
	}
}

// New fills the defaults of a policy given as a value, checks and compiles it. The error is an *Error that lists every mistake by
// the path of its key; without a file there are no lines.
func New(p *Policy) (*Policy, error) {
	made := *p
	if problems := made.prepare(); len(problems) > 0 {
		return nil, &Error{Problems: problems}
	}
	return &made, nil
}

// prepare fills defaults and compiles in place.
func (p *Policy) prepare() []Problem {
	p.Mode = orDefault(p.Mode, ModeEnforce)
	for _, action := range []*Action{&p.OnPending, &p.OnUnscannable, &p.OnNoFeed, &p.OnStaleFeed, &p.OnUnknownDistro} {
		*action = orDefault(*action, ActionDeny)
	}
	p.OnEndOfLife = orDefault(p.OnEndOfLife, ActionWarn)
	if p.ExemptImages == nil {
		p.ExemptImages = DefaultExemptImages()
	}
	c := compiler{policy: p}
	out := c.compile()
	if len(c.problems) > 0 {
		return c.problems
	}
	p.compiled = out
	return nil
}

func orDefault[T ~string](value, def T) T {
	if value == "" {
		return def
	}
	return value
}

// NeedsScan tells whether judging an image takes its findings. It is false where every rule is about the image's name alone.
func (p *Policy) NeedsScan() bool {
	return p.unusable == "" && (p.compiled == nil || p.compiled.needsScan)
}

// NeedsScanOf tells whether judging the image of a reference takes its findings: NeedsScan, unless exemptImages covers it.
func (p *Policy) NeedsScanOf(ref string) bool {
	if !p.NeedsScan() {
		return false
	}
	_, exempt := p.ExemptsImage(ref)
	return !exempt
}

// Revision identifies the policy's content: equal revisions judge alike. It is a hash in hexadecimal, of everything but Source.
func (p *Policy) Revision() string {
	if p.compiled == nil {
		return ""
	}
	return p.compiled.revision
}

// ReadOnly tells whether the policy comes from the product or a file and so cannot be changed in the UI.
func (p *Policy) ReadOnly() bool { return p.Source != "" }

// ExemptsImage tells whether exemptImages covers a reference, so that it need not be scanned, and by which pattern. A tag pattern
// does not cover a reference that names a digest: the container runtime ignores the tag then, and so anything could carry it.
func (p *Policy) ExemptsImage(ref string) (pattern string, ok bool) {
	parsed, err := parseReference(ref)
	if err != nil {
		return "", false
	}
	return p.exemptedBy(&parsed, "")
}

func (p *Policy) exemptedBy(ref *reference, digest string) (string, bool) {
	if p.compiled == nil {
		return "", false
	}
	for i := range p.compiled.exempt {
		if p.compiled.exempt[i].match(ref, digest) {
			return p.compiled.exempt[i].text, true
		}
	}
	return "", false
}
