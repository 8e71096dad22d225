package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// VEXDocument is an OpenVEX document (https://github.com/openvex/spec): statements of a supplier or of yourself about whether
// vulnerabilities affect products. not_affected and fixed take violations away, affected and under_investigation do not; of
// several statements about the same finding the latest counts. A product is an image (a pkg:oci package URL with its digest or
// repository_url, an image reference, or a sha-256 hash), optionally with packages of it as subcomponents, or a package by its
// package URL. Decoded here rather than by go-vex, which brings in-toto's attestations and a second YAML library along.
type VEXDocument struct {
	text string // canonical JSON
	doc  *openVEX
}

// openVEX is the part of a document that matters here. The keys are OpenVEX's own.
type openVEX struct {
	Context    string         `json:"@context"`
	ID         string         `json:"@id"`
	Author     string         `json:"author"`
	Timestamp  time.Time      `json:"timestamp"`
	Statements []vexStatement `json:"statements"`
}

type vexStatement struct {
	Vulnerability   vexVulnerability `json:"vulnerability"`
	Timestamp       time.Time        `json:"timestamp"`
	Products        []vexProduct     `json:"products"`
	Status          string           `json:"status"`
	Justification   string           `json:"justification"`
	ImpactStatement string           `json:"impact_statement"` //nolint:tagliatelle // a key of OpenVEX

	author, document string // of the document, for records
}

type vexVulnerability struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

type vexProduct struct {
	vexComponent
	Subcomponents []vexComponent `json:"subcomponents"`
}

type vexComponent struct {
	ID          string            `json:"@id"`
	Identifiers map[string]string `json:"identifiers"`
	Hashes      map[string]string `json:"hashes"`

	matcher componentMatcher
}

// The statuses of OpenVEX.
const (
	vexNotAffected        = "not_affected"
	vexAffected           = "affected"
	vexFixed              = "fixed"
	vexUnderInvestigation = "under_investigation"
)

// ParseVEX reads and checks an OpenVEX document of version 0.2.0. Errors name the statement.
func ParseVEX(content []byte) (VEXDocument, error) {
	var generic any
	if err := json.Unmarshal(content, &generic); err != nil {
		return VEXDocument{}, fmt.Errorf("is no OpenVEX document: %w", err)
	}
	if _, object := generic.(map[string]any); !object {
		return VEXDocument{}, errors.New("is no OpenVEX document: it must be a JSON object")
	}
	canonical, err := json.Marshal(generic)
	if err != nil {
		return VEXDocument{}, fmt.Errorf("is no OpenVEX document: %w", err)
	}
	d := VEXDocument{text: string(canonical), doc: &openVEX{}}
	if err := json.Unmarshal(canonical, d.doc); err != nil {
		return VEXDocument{}, fmt.Errorf("is no OpenVEX document: %w", err)
	}
	if err := d.doc.check(); err != nil {
		return VEXDocument{}, err
	}
	return d, nil
}

// check applies the specification's requirements, and inherits the document's time where a statement has none.
func (d *openVEX) check() error {
	switch {
	case !strings.HasPrefix(d.Context, "https://openvex.dev/ns"):
		return fmt.Errorf("is no OpenVEX document: @context is %q, not https://openvex.dev/ns/v0.2.0", clean(d.Context, maxField))
	case d.ID == "":
		return errors.New("has no @id")
	case d.Author == "":
		return errors.New("has no author")
	case d.Timestamp.IsZero():
		return errors.New("has no timestamp")
	case len(d.Statements) == 0:
		return errors.New("has no statements")
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		if s.Timestamp.IsZero() {
			s.Timestamp = d.Timestamp
		}
		s.author, s.document = d.Author, d.ID
		if err := s.check(); err != nil {
			return fmt.Errorf("statements[%d]: %w", i, err)
		}
	}
	return nil
}

func (s *vexStatement) check() error {
	switch s.Status {
	case vexNotAffected:
		if s.Justification == "" && s.ImpactStatement == "" {
			return errors.New("status not_affected needs a justification or an impact_statement")
		}
	case vexAffected, vexFixed, vexUnderInvestigation:
	default:
		return fmt.Errorf("status %q is none of not_affected, affected, fixed, under_investigation", clean(s.Status, maxField))
	}
	if s.Vulnerability.Name == "" && s.Vulnerability.ID == "" {
		return errors.New("has no vulnerability name")
	}
	if len(s.Products) == 0 {
		return errors.New("names no products")
	}
	for i := range s.Products {
		product := &s.Products[i]
		if err := product.compile(); err != nil {
			return fmt.Errorf("products[%d]: %w", i, err)
		}
		for j := range product.Subcomponents {
			if err := product.Subcomponents[j].compile(); err != nil {
				return fmt.Errorf("products[%d].subcomponents[%d]: %w", i, j, err)
			}
		}
	}
	return nil
}

// MarshalJSON writes the document itself.
func (d VEXDocument) MarshalJSON() ([]byte, error) {
	if d.text == "" {
		return nil, errors.New("empty VEX document")
	}
	return []byte(d.text), nil
}

// UnmarshalJSON reads what ParseVEX reads.
func (d *VEXDocument) UnmarshalJSON(content []byte) error {
	parsed, err := ParseVEX(content)
	if err == nil {
		*d = parsed
	}
	return err
}

// MarshalYAML writes the document as YAML.
func (d VEXDocument) MarshalYAML() (any, error) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(d.text), &node); err != nil {
		return nil, fmt.Errorf("write VEX document: %w", err)
	}
	blockStyle(&node)
	return node.Content[0], nil
}

// blockStyle turns JSON's brackets into YAML's lines. Quotes stay, so that texts that look like numbers remain texts.
func blockStyle(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	for _, child := range n.Content {
		blockStyle(child)
	}
}
