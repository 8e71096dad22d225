package export_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/xeipuuv/gojsonschema"

	"github.com/runecast/runecast/pkg/export"
)

// cycloneDXSchema is the official schema of CycloneDX 1.6, which the library brings along.
func cycloneDXSchema(tb testing.TB) *gojsonschema.Schema {
	tb.Helper()
	read := func(name string) gojsonschema.JSONLoader {
		text, err := os.ReadFile(moduleFile(tb, "github.com/CycloneDX/cyclonedx-go", "schema/"+name))
		if err != nil {
			tb.Fatal(err)
		}
		return gojsonschema.NewBytesLoader(text)
	}
	loader := gojsonschema.NewSchemaLoader()
	if err := loader.AddSchemas(read("spdx.schema.json"), read("jsf-0.82.schemax.json")); err != nil {
		tb.Fatal(err)
	}
	schema, err := loader.Compile(read("bom-1.6.schema.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return schema
}

func TestCycloneDXIsValid(t *testing.T) {
	t.Parallel()
	schema := cycloneDXSchema(t)
	for name, d := range documents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantValid(t, schema, written(t, export.CycloneDX, d))
			wantReferences(t, decodeCycloneDX(t, export.CycloneDX, d))
			wantReferences(t, decodeCycloneDX(t, export.CycloneDXXML, d))
		})
	}
}

func decodeCycloneDX(tb testing.TB, format export.Format, d *export.Document) *cdx.BOM {
	tb.Helper()
	file := cdx.BOMFileFormatJSON
	if format == export.CycloneDXXML {
		file = cdx.BOMFileFormatXML
	}
	bom := &cdx.BOM{}
	if err := cdx.NewBOMDecoder(bytes.NewReader(written(tb, format, d)), file).Decode(bom); err != nil {
		tb.Fatalf("%s cannot be read: %v", format, err)
	}
	if bom.Components == nil { // the library drops empty lists
		bom.Components = &[]cdx.Component{}
	}
	if got := len(*bom.Components) - len(d.Inventory.Packages); got < 0 || got > 1 {
		tb.Errorf("%s has %d components for %d packages", format, len(*bom.Components), len(d.Inventory.Packages))
	}
	return bom
}

// wantReferences checks that ids are there once and that every reference leads to one.
func wantReferences(tb testing.TB, bom *cdx.BOM) {
	tb.Helper()
	seen := map[string]bool{}
	note := func(id string) {
		if id == "" || seen[id] {
			tb.Errorf("the id %q is empty or there twice", id)
		}
		seen[id] = true
	}
	note(bom.Metadata.Component.BOMRef)
	for i := range *bom.Components {
		note((*bom.Components)[i].BOMRef)
	}
	if bom.Vulnerabilities == nil {
		return
	}
	for i := range *bom.Vulnerabilities {
		v := &(*bom.Vulnerabilities)[i]
		note(v.BOMRef)
		for _, a := range *v.Affects {
			if !strings.HasPrefix(a.Ref, "package-") || !seen[a.Ref] {
				tb.Errorf("%s affects %q, which is no package", v.ID, a.Ref)
			}
		}
	}
}

func TestCycloneDXSaysAllThereIs(t *testing.T) {
	t.Parallel()
	for _, format := range []export.Format{export.CycloneDX, export.CycloneDXXML} {
		bom := decodeCycloneDX(t, format, small())
		image := bom.Metadata.Component
		if image.Type != cdx.ComponentTypeContainer || image.PackageURL != "pkg:oci/shop@"+digest+"?arch=amd64&repository_url=registry.example:5000%2Fteam%2Fshop&tag=1.2" &&
			image.PackageURL != "pkg:oci/shop@sha256%3A"+digest[7:]+"?arch=amd64&repository_url=registry.example:5000%2Fteam%2Fshop&tag=1.2" {
			t.Errorf("image %+v", image)
		}
		components := *bom.Components
		if components[0].Type != cdx.ComponentTypeOS || components[0].Name != "debian" || components[0].Version != "10" {
			t.Errorf("operating system %+v", components[0])
		}
		ssl := components[1]
		if p := libssl(); ssl.PackageURL != p.PURL() || property(ssl.Properties, "runecast:source:name") != "openssl" ||
			property(ssl.Properties, "runecast:layer:digest") != layer || (*ssl.Evidence.Occurrences)[0].Location != "var/lib/dpkg/status" {
			t.Errorf("package %+v", ssl)
		}
		if c := *bom.Compositions; len(c) != 1 || c[0].Aggregate != cdx.CompositionAggregateIncomplete || property(bom.Properties, "runecast:unread") == "" {
			t.Errorf("that the image was not read as a whole is not stated: %+v, %+v", c, bom.Properties)
		}
		wantVulnerabilities(t, *bom.Vulnerabilities, ssl.BOMRef)
	}
}

func wantVulnerabilities(tb testing.TB, list []cdx.Vulnerability, ssl string) {
	tb.Helper()
	if len(list) != 5 {
		tb.Fatalf("%d vulnerabilities", len(list))
	}
	if a := list[4].Analysis; a == nil || a.State != "" || len(*a.Response) != 1 || (*a.Response)[0] != cdx.IARWillNotFix || a.Detail != "Will not be fixed: Debian: end-of-life" {
		tb.Errorf("what will not be fixed: %+v", a)
	}
	v, rating := list[0], (*list[0].Ratings)[0]
	if v.ID != "CVE-2021-3711" || rating.Severity != cdx.SeverityCritical || *rating.Score != 9.8 || rating.Method != cdx.ScoringMethodCVSSv31 || rating.Source.Name != "NVD" ||
		(*v.Affects)[0].Ref != ssl || v.Analysis != nil || v.Recommendation != "Upgrade openssl to 1.1.1d-0+deb10u7 or later." || (*(*v.Affects)[0].Range)[1].Version != "1.1.1d-0+deb10u7" {
		tb.Errorf("got %+v", v)
	}
	if a := list[1].Analysis; a == nil || a.State != cdx.IASNotAffected || a.Detail != "not in the execute path" {
		tb.Errorf("a finding that does not affect: %+v", a)
	}
	if v := list[2]; v.Analysis == nil || v.Analysis.State != "" || !slices.Equal(*v.Analysis.Response, []cdx.ImpactAnalysisResponse{cdx.IARWillNotFix}) || v.Recommendation != "" || len(*(*v.Affects)[0].Range) != 1 {
		tb.Errorf("an exempted finding without a fix: %+v", v)
	}
	if v := list[3]; (*v.Ratings)[0].Severity != cdx.SeverityUnknown || (*(*v.Affects)[0].Range)[0].Status != cdx.VulnerabilityStatusUnknown || property(v.Properties, "runecast:uncertain") == "" {
		tb.Errorf("an uncertain finding: %+v", v)
	}
}

func property(list *[]cdx.Property, name string) string {
	if list == nil {
		return ""
	}
	for _, p := range *list {
		if p.Name == name {
			return p.Value
		}
	}
	return ""
}

func TestCycloneDXWithoutReportSaysSo(t *testing.T) {
	t.Parallel()
	d := small()
	d.Report, d.Inventory.Unread = nil, nil
	bom := decodeCycloneDX(t, export.CycloneDX, d)
	if bom.Vulnerabilities != nil || property(bom.Properties, "runecast:vulnerabilities") != "not judged" || (*bom.Compositions)[0].Aggregate != cdx.CompositionAggregateUnknown {
		t.Errorf("got %+v", bom)
	}
}

func TestOneVulnerabilityOfSeveralPackagesIsOneEntry(t *testing.T) {
	t.Parallel()
	d := small()
	other := libssl()
	other.Name = "openssl"
	d.Inventory.Packages = append(d.Inventory.Packages, other)
	finding := d.Report.Findings[0]
	finding.Package = other
	d.Report.Findings = append(d.Report.Findings, finding)
	list := *decodeCycloneDX(t, export.CycloneDX, d).Vulnerabilities
	if len(list) != 5 || len(*list[0].Affects) != 2 {
		t.Errorf("%d vulnerabilities, the first affects %v", len(list), *list[0].Affects)
	}
}
