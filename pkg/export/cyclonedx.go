package export

import (
	"io"
	"strconv"
	"unicode/utf8"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// Ids of the components of a bill that are not packages.
const (
	refImage = "image"
	refOS    = "operating-system"
)

// maxVersion is the longest version that the format has a place for, in characters.
const maxVersion = 1024

// versionText is a version as the format has a place for it.
func versionText(version string) string {
	version = clean(version)
	if utf8.RuneCountInString(version) <= maxVersion {
		return version
	}
	return string([]rune(version)[:maxVersion-1]) + "…"
}

// writeCycloneDX writes CycloneDX 1.6 as JSON or XML.
func writeCycloneDX(w io.Writer, format Format, d *Document) error {
	file := cdx.BOMFileFormatJSON
	if format == CycloneDXXML {
		file = cdx.BOMFileFormatXML
	}
	encoder := cdx.NewBOMEncoder(w, file).SetPretty(true).SetEscapeHTML(false)
	return encoder.EncodeVersion(bill(d), cdx.SpecVersion1_6) //nolint:wrapcheck // Write says which format it was
}

// bill makes the bill of materials. Everything is an immediate part of the image; what depends on what is not known.
func bill(d *Document) *cdx.BOM {
	ids := packageIDs(d.Inventory.Packages)
	components := make([]cdx.Component, 0, len(ids)+1)
	if os := &d.Inventory.OS; os.ID != "" {
		components = append(components, operatingSystem(os))
	}
	for i, id := range ids {
		components = append(components, packageComponent(&d.Inventory.Packages[i], id))
	}
	bom := cdx.NewBOM()
	bom.SerialNumber = documentID("cyclonedx", d.Image.Digest).URN()
	bom.Metadata = &cdx.Metadata{
		Timestamp: d.timestamp(),
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{
			Type: cdx.ComponentTypeApplication, Name: toolName, Version: clean(d.Version),
			ExternalReferences: &[]cdx.ExternalReference{{Type: cdx.ERTypeWebsite, URL: toolURL}},
		}}},
		Component: imageComponent(&d.Image),
	}
	bom.Components = &components
	bom.Compositions = &[]cdx.Composition{composition(d)}
	bom.Properties = statedProperties(d)
	if d.Report != nil {
		list := vulnerabilities(d, ids)
		bom.Vulnerabilities = &list
	}
	return bom
}

// properties collects properties with a value, under this tool's own prefix
// (https://github.com/CycloneDX/cyclonedx-property-taxonomy).
type properties []cdx.Property

func (p *properties) add(name, value string) {
	if value != "" {
		*p = append(*p, cdx.Property{Name: toolName + ":" + name, Value: clean(value)})
	}
}

// list gives nil where there are none, which is then left out.
func (p *properties) list() *[]cdx.Property {
	if len(*p) == 0 {
		return nil
	}
	return (*[]cdx.Property)(p)
}

func imageComponent(i *Image) *cdx.Component {
	repository, tag := i.repository()
	var p properties
	p.add("image:reference", i.Reference)
	p.add("image:tag", tag)
	p.add("image:digest", i.Digest)
	p.add("image:index", i.Index)
	p.add("image:platform", i.Platform)
	return &cdx.Component{
		BOMRef: refImage, Type: cdx.ComponentTypeContainer, Name: repository, Version: clean(i.Digest), PackageURL: i.purl(), Properties: p.list(),
	}
}

func operatingSystem(os *inventory.OS) cdx.Component {
	var p properties
	p.add("os:codename", os.Codename)
	of := lifecycle.Of(*os)
	p.add("os:ecosystem", of.Ecosystem)
	p.add("os:noEcosystem", of.Reason)
	p.add("os:endOfLife", of.EndOfLife)
	p.add("os:extendedEnd", of.ExtendedEnd)
	return cdx.Component{
		BOMRef: refOS, Type: cdx.ComponentTypeOS, Name: clean(os.ID), Version: versionText(os.VersionID), Description: clean(os.PrettyName), Properties: p.list(),
	}
}

func packageComponent(p *inventory.Package, id string) cdx.Component {
	var props properties
	props.add("package:type", p.Type)
	props.add("package:ecosystem", p.Ecosystem)
	props.add("package:arch", p.Arch)
	props.add("source:name", p.Source)
	props.add("source:version", p.SourceVersion)
	props.add("layer:digest", p.Layer)
	props.add("path", p.Path)
	if utf8.RuneCountInString(p.Version) > maxVersion {
		props.add("package:version", p.Version)
	}
	component := cdx.Component{
		BOMRef: id, Type: cdx.ComponentTypeLibrary, Name: clean(p.Name), Version: versionText(p.Version), PackageURL: clean(p.PURL()), Properties: props.list(),
	}
	if p.Path != "" {
		component.Evidence = &cdx.Evidence{Occurrences: &[]cdx.EvidenceOccurrence{{Location: clean(p.Path)}}}
	}
	return component
}

// composition says how much of the image is listed: not all of it where something could not be read, else nobody knows,
// since files that came without a package manager are in no list.
func composition(d *Document) cdx.Composition {
	aggregate := cdx.CompositionAggregateUnknown
	if len(d.Inventory.Unread) > 0 {
		aggregate = cdx.CompositionAggregateIncomplete
	}
	return cdx.Composition{Aggregate: aggregate, Assemblies: &[]cdx.BOMReference{refImage}}
}

// statedProperties says what is not known, and what the findings rest on.
func statedProperties(d *Document) *[]cdx.Property {
	var p properties
	for _, u := range d.Inventory.Unread {
		p.add("unread", u)
	}
	for _, w := range d.Inventory.Warnings {
		p.add("warning", w)
	}
	if d.Inventory.OS.ID == "" {
		p.add("os", "unknown")
	}
	if d.Report == nil {
		p.add("vulnerabilities", "not judged")
		return p.list()
	}
	p.add("feed:revision", d.Report.Feed.Revision)
	for _, u := range d.Report.Uncovered {
		p.add("uncovered", u.Ecosystem+": the feed has no data of it, "+strconv.Itoa(u.Packages)+" packages were not judged")
	}
	return p.list()
}
