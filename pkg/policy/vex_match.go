package policy

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/runecast/runecast/pkg/advisory"
)

// vexIndex finds the statements about a vulnerability by any of its ids.
type vexIndex map[string][]*vexStatement

func (x vexIndex) add(d *VEXDocument) {
	if d.doc == nil {
		return
	}
	for i := range d.doc.Statements {
		s := &d.doc.Statements[i]
		ids := map[string]bool{}
		for _, id := range append([]string{s.Vulnerability.Name, s.Vulnerability.ID}, s.Vulnerability.Aliases...) {
			if id != "" {
				ids[canonicalID(id)] = true
			}
		}
		for id := range ids {
			x[id] = append(x[id], s)
		}
	}
}

// excuse gives the statement that takes a finding away, or nil. The latest statement about the finding counts; of two of the same
// time, the one that does not take it away.
func (x vexIndex) excuse(f *advisory.Finding, img *judged) *vexStatement {
	if len(x) == 0 {
		return nil
	}
	var latest *vexStatement
	consider := func(id string) {
		for _, s := range x[id] {
			if !s.about(f, img) {
				continue
			}
			if latest == nil || s.Timestamp.After(latest.Timestamp) || s.Timestamp.Equal(latest.Timestamp) && !s.excuses() {
				latest = s
			}
		}
	}
	consider(f.ID)
	consider(f.Advisory)
	for _, alias := range f.Aliases {
		consider(alias)
	}
	if latest == nil || !latest.excuses() {
		return nil
	}
	return latest
}

func (s *vexStatement) excuses() bool { return s.Status == vexNotAffected || s.Status == vexFixed }

// about tells whether a statement's products include the finding's package in this image.
func (s *vexStatement) about(f *advisory.Finding, img *judged) bool {
	for i := range s.Products {
		p := &s.Products[i]
		if len(p.Subcomponents) == 0 {
			if p.matcher.image(img) || p.matcher.pkg(f) {
				return true
			}
			continue
		}
		// A package as a product with subcomponents says nothing here: which package contains which is not known.
		if !p.matcher.image(img) {
			continue
		}
		for j := range p.Subcomponents {
			if p.Subcomponents[j].matcher.pkg(f) {
				return true
			}
		}
	}
	return false
}

// record is what a result says about a violation that the statement takes away.
func (s *vexStatement) record(v Violation) Exempted {
	reason := "VEX " + s.document + ": " + s.Status
	if why := orText(s.Justification, s.ImpactStatement); why != "" {
		reason += " (" + why + ")"
	}
	return Exempted{Violation: v, Reason: clean(reason, maxClause), Owner: clean(s.author, maxField), VEX: s.Status}
}

// componentMatcher is a product or subcomponent ready to compare. What it does not understand matches nothing: a statement
// that is not understood takes nothing away.
type componentMatcher struct {
	purls  []packageurl.PackageURL
	ref    *reference
	digest string // sha256:… by hash
}

func (c *vexComponent) compile() error {
	named := false
	for _, id := range []string{c.ID, c.Identifiers["purl"]} {
		switch {
		case id == "":
			continue
		case strings.HasPrefix(id, "pkg:"):
			purl, err := packageurl.FromString(id)
			if err != nil {
				return fmt.Errorf("%q is no package URL: %w", clean(id, maxName), err)
			}
			c.matcher.purls = append(c.matcher.purls, purl)
		case !strings.Contains(id, "://"):
			if ref, err := parseReference(id); err == nil {
				c.matcher.ref = &ref
			}
		}
		named = true
	}
	if hash := c.Hashes["sha-256"]; hash != "" {
		c.matcher.digest, named = "sha256:"+strings.ToLower(hash), true
	}
	if !named && len(c.Identifiers) == 0 && len(c.Hashes) == 0 {
		return errors.New("has no @id, identifiers or hashes")
	}
	return nil
}

// image tells whether the component is the image.
func (m *componentMatcher) image(img *judged) bool {
	if m.digest != "" && img.hasDigest(m.digest) {
		return true
	}
	if img.refErr != nil {
		return false
	}
	if m.ref != nil && m.ref.repository == img.ref.repository && img.isVersion(m.ref.tag, m.ref.digest) {
		return true
	}
	for i := range m.purls {
		if m.purls[i].Type == packageurl.TypeOCI && ociMatches(&m.purls[i], img) {
			return true
		}
	}
	return false
}

func (img *judged) hasDigest(digest string) bool {
	return digest != "" && (digest == img.digest || img.refErr == nil && digest == img.ref.digest)
}

// isVersion compares a digest, else a tag. A tag says nothing about an image that is named by digest.
func (img *judged) isVersion(tag, digest string) bool {
	if digest != "" {
		return img.hasDigest(digest)
	}
	return img.ref.digest == "" && tag == img.ref.tag
}

// isIn compares the repository.
func (img *judged) isIn(repository string) bool {
	ref, err := parseReference(repository)
	return err == nil && ref.repository == img.ref.repository
}

// ociMatches compares a pkg:oci URL (https://github.com/package-url/purl-spec, type oci): its version is the digest, its
// qualifiers repository_url and tag say where it is. The bare name says too little to be a match.
func ociMatches(purl *packageurl.PackageURL, img *judged) bool {
	qualifiers := purl.Qualifiers.Map()
	repository := qualifiers["repository_url"]
	digest, err := url.PathUnescape(purl.Version)
	if err != nil || digest == "" && repository == "" {
		return false
	}
	if digest != "" && !img.hasDigest(digest) {
		return false
	}
	repository = strings.TrimSuffix(repository, "/")
	if repository != "" && !img.isIn(repository) && !img.isIn(repository+"/"+purl.Name) { // both are in use
		return false
	}
	tag := qualifiers["tag"]
	return digest != "" || tag == "" || img.isVersion(tag, "")
}

// pkg tells whether the component is the finding's package.
func (m *componentMatcher) pkg(f *advisory.Finding) bool {
	for i := range m.purls {
		if purlMatches(&m.purls[i], f) {
			return true
		}
	}
	return false
}

// purlMatches compares type, namespace, name, version (any, if the URL has none) and the qualifiers arch and distro. Other
// qualifiers cannot be compared with what is installed, so that a URL with them matches nothing.
func purlMatches(purl *packageurl.PackageURL, f *advisory.Finding) bool {
	p := &f.Package
	if purl.Type != p.Type || purl.Subpath != "" || !qualifiersMatch(purl.Qualifiers, f) {
		return false
	}
	name := purl.Name
	switch p.Type {
	case "golang", "npm", "composer", "maven":
		name = namespaced(purl)
	case "nuget":
		return strings.EqualFold(name, p.Name) && versionMatches(purl.Version, p.Version)
	case "pypi":
		return pypiName(name) == pypiName(p.Name) && versionMatches(purl.Version, p.Version)
	default:
		family, _, _ := strings.Cut(p.Ecosystem, ":")
		if purl.Namespace != "" && !strings.EqualFold(purl.Namespace, family) {
			return false
		}
	}
	byName := name == p.Name && versionMatches(purl.Version, p.Version)
	bySource := p.Source != "" && name == p.Source && versionMatches(purl.Version, orText(p.SourceVersion, p.Version))
	return byName || bySource
}

// namespaced gives a language package's name as it is installed: Maven's group comes before a colon, all others' before a slash.
func namespaced(purl *packageurl.PackageURL) string {
	switch {
	case purl.Namespace == "":
		return purl.Name
	case purl.Type == "maven":
		return purl.Namespace + ":" + purl.Name
	default:
		return purl.Namespace + "/" + purl.Name
	}
}

func qualifiersMatch(qualifiers packageurl.Qualifiers, f *advisory.Finding) bool {
	family, release, _ := strings.Cut(strings.ToLower(f.Package.Ecosystem), ":")
	for _, q := range qualifiers {
		switch {
		case q.Key == "arch" && q.Value == f.Package.Arch:
		case q.Key == "distro" && sameDistro(strings.ToLower(q.Value), family, release):
		default:
			return false
		}
	}
	return true
}

// pypiName normalises a name as the package URL type pypi does.
func pypiName(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// versionMatches compares versions as texts; Go modules are named with and without their leading v.
func versionMatches(stated, installed string) bool {
	return stated == "" || stated == installed || strings.TrimPrefix(stated, "v") == installed
}

// sameDistro compares a distro qualifier (debian-12, debian-12.4, alpine-3.19.1) with the ecosystem's release (12, v3.19).
func sameDistro(value, family, release string) bool {
	rest, found := strings.CutPrefix(value, family+"-")
	release = strings.TrimPrefix(release, "v")
	return found && release != "" && (rest == release || strings.HasPrefix(rest, release+"."))
}
