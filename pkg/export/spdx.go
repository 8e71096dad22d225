package export

import (
	"io"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
	"github.com/spdx/tools-golang/tagvalue"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// noAssertion says that nothing is said of a field.
const noAssertion = "NOASSERTION"

// writeSPDX writes SPDX 2.3 as JSON or tag-value.
func writeSPDX(w io.Writer, format Format, d *Document) error {
	doc := spdxDocument(d)
	if format == SPDXTagValue {
		return tagvalue.Write(doc, w) //nolint:wrapcheck // Write says which format it was
	}
	return spdxjson.Write(doc, w, spdxjson.Indent("  "), spdxjson.EscapeHTML(false)) //nolint:wrapcheck // Write says which format it was
}

// spdxDocument describes the image, which contains its operating system and its packages.
func spdxDocument(d *Document) *v2_3.Document {
	repository, _ := d.Image.repository()
	creators := []common.Creator{{CreatorType: "Tool", Creator: toolName + "-" + spdxText(orText(d.Version, "unknown"))}}
	doc := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: spdxText(repository + "@" + d.Image.Digest),
		DocumentNamespace: toolURL + "/spdx/" + documentID("spdx", d.Image.Digest, d.timestamp(), d.Version).String(),
		CreationInfo:      &v2_3.CreationInfo{Creators: creators, Created: d.timestamp()},
	}
	image := spdxPackage(refImage, repository, d.Image.Digest, d.Image.purl())
	image.PrimaryPackagePurpose = "CONTAINER"
	doc.Packages = []*v2_3.Package{image}
	doc.Relationships = []*v2_3.Relationship{related("DOCUMENT", "DESCRIBES", refImage)}
	add := func(p *v2_3.Package) {
		doc.Packages = append(doc.Packages, p)
		doc.Relationships = append(doc.Relationships, related(refImage, "CONTAINS", string(p.PackageSPDXIdentifier)))
	}
	if os := &d.Inventory.OS; os.ID != "" {
		p := spdxPackage(refOS, os.ID, os.VersionID, "")
		p.PrimaryPackagePurpose, p.PackageSummary = "OPERATING-SYSTEM", spdxText(os.PrettyName)
		p.ValidUntilDate = supportEnd(os)
		add(p)
	}
	for i, id := range packageIDs(d.Inventory.Packages) {
		p := &d.Inventory.Packages[i]
		out := spdxPackage(id, p.Name, p.Version, p.PURL())
		out.PackageSourceInfo = sourceInfo(p)
		add(out)
	}
	annotate(doc, d)
	return doc
}

// supportEnd is the last moment of the longest support that the operating system's release has; empty where that is not known.
func supportEnd(os *inventory.OS) string {
	of := lifecycle.Of(*os)
	day := orText(of.ExtendedEnd, of.EndOfLife)
	if day == "" {
		return ""
	}
	return day + "T23:59:59Z"
}

func spdxPackage(id, name, version, purl string) *v2_3.Package {
	p := &v2_3.Package{
		PackageSPDXIdentifier: common.ElementID(id), PackageName: orText(spdxText(name), noAssertion), PackageVersion: spdxText(version),
		PackageSupplier: &common.Supplier{Supplier: noAssertion}, PackageDownloadLocation: noAssertion, IsFilesAnalyzedTagPresent: true,
		PackageLicenseConcluded: noAssertion, PackageLicenseDeclared: noAssertion, PackageCopyrightText: noAssertion,
	}
	if purl != "" {
		p.PackageExternalReferences = []*v2_3.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: clean(purl)}}
	}
	return p
}

// sourceInfo is where the package comes from: its source package, and the file and layer that tell of it.
func sourceInfo(p *inventory.Package) string {
	text := "found in " + orText(p.Path, "the image")
	if p.Layer != "" {
		text += " of layer " + p.Layer
	}
	if p.Source != "" || p.SourceVersion != "" {
		text += ", built from " + p.AdvisoryName() + " " + p.AdvisoryVersion()
	}
	return spdxText(text)
}

func related(from, how, to string) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.MakeDocElementID("", from), Relationship: how, RefB: common.MakeDocElementID("", to)}
}

// annotate states what could not be read, on the document.
func annotate(doc *v2_3.Document, d *Document) {
	note := func(text string) {
		doc.Annotations = append(doc.Annotations, &v2_3.Annotation{
			Annotator: common.Annotator{AnnotatorType: "Tool", Annotator: toolName}, AnnotationDate: d.timestamp(), AnnotationType: "OTHER",
			AnnotationSPDXIdentifier: common.MakeDocElementID("", "DOCUMENT"), AnnotationComment: spdxText(text),
		})
	}
	for _, u := range d.Inventory.Unread {
		note("The list of packages is not complete: not read: " + u)
	}
	for _, w := range d.Inventory.Warnings {
		note("warning: " + w)
	}
}
