package policy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

// celImage is the variable image.
type celImage struct {
	name, digest, platform string
	ref                    reference
	distro                 lifecycle.Distribution
	support                lifecycle.Support
}

const (
	celFindingType = "runecast.Finding"
	celPackageType = "runecast.Package"
	celImageType   = "runecast.Image"
)

// celEnv is the type-checked environment of expressions: misspelt fields are compile errors.
type celEnv struct{ env *cel.Env }

func newCELEnv() (*celEnv, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make CEL types: %w", err)
	}
	env, err := cel.NewEnv(
		cel.CustomTypeAdapter(registry),
		cel.CustomTypeProvider(&celProvider{Provider: registry, fields: celFields()}),
		cel.Variable("finding", cel.ObjectType(celFindingType)),
		cel.Variable("pkg", cel.ObjectType(celPackageType)),
		cel.Variable("image", cel.ObjectType(celImageType)),
		cel.Variable("now", cel.TimestampType),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
	)
	if err != nil {
		return nil, fmt.Errorf("make CEL environment: %w", err)
	}
	return &celEnv{env: env}, nil
}

// celField describes one field: get gives its value and whether it is set. Reading one that is not set is an error, so that a
// missing score is not taken for a low one; has() asks first.
func celField[T any](name string, kind *cel.Type, get func(*T) (any, bool)) *types.FieldType {
	return &types.FieldType{
		Type: kind,
		IsSet: func(object any) bool {
			o, ok := object.(*T)
			if !ok {
				return false
			}
			_, isSet := get(o)
			return isSet
		},
		GetFrom: func(object any) (any, error) {
			o, ok := object.(*T)
			if !ok {
				return nil, fmt.Errorf("%s is read from a %T", name, object)
			}
			value, isSet := get(o)
			if !isSet {
				return nil, fmt.Errorf("%s has no value: ask has(%s) first", name, name)
			}
			return value, nil
		},
	}
}

func always[T, V any](get func(*T) V) func(*T) (any, bool) {
	return func(o *T) (any, bool) { return get(o), true }
}

func celFields() map[string]map[string]*types.FieldType {
	return map[string]map[string]*types.FieldType{
		celFindingType: findingFields(),
		celPackageType: packageFields(),
		celImageType:   imageFields(),
	}
}

// findingFields are the fields of the variable finding. Those that may be absent are cvss, epss, epssPercentile, kevDateAdded,
// fixedAt and published; severityRank is 0 for unknown, 1 none, 2 low, 3 medium, 4 high and 5 critical.
func findingFields() map[string]*types.FieldType {
	type finding = advisory.Finding
	f := func(name string, kind *cel.Type, get func(*finding) (any, bool)) *types.FieldType {
		return celField("finding."+name, kind, get)
	}
	dated := func(name string, get func(*finding) time.Time) *types.FieldType {
		return f(name, cel.TimestampType, func(o *finding) (any, bool) { return get(o), !get(o).IsZero() })
	}
	rated := func(name string, isSet func(*finding) bool, get func(*finding) float64) *types.FieldType {
		return f(name, cel.DoubleType, func(o *finding) (any, bool) {
			if !isSet(o) {
				return nil, false
			}
			return get(o), true
		})
	}
	hasCVSS := func(o *finding) bool { return o.CVSS != nil }
	hasEPSS := func(o *finding) bool { return o.EPSS != nil }
	return map[string]*types.FieldType{
		"id":             f("id", cel.StringType, always(func(o *finding) string { return o.ID })),
		"advisory":       f("advisory", cel.StringType, always(func(o *finding) string { return o.Advisory })),
		"aliases":        f("aliases", cel.ListType(cel.StringType), always(func(o *finding) []string { return o.Aliases })),
		"summary":        f("summary", cel.StringType, always(func(o *finding) string { return o.Summary })),
		"severity":       f("severity", cel.StringType, always(func(o *finding) string { return o.Severity.String() })),
		"severityRank":   f("severityRank", cel.IntType, always(func(o *finding) int64 { return int64(o.Severity) })),
		"severitySource": f("severitySource", cel.StringType, always(func(o *finding) string { return o.SeveritySource })),
		"cvss":           rated("cvss", hasCVSS, func(o *finding) float64 { return o.CVSS.Score }),
		"epss":           rated("epss", hasEPSS, func(o *finding) float64 { return o.EPSS.Probability }),
		"epssPercentile": rated("epssPercentile", hasEPSS, func(o *finding) float64 { return o.EPSS.Percentile }),
		"kev":            f("kev", cel.BoolType, always(func(o *finding) bool { return o.KEV != nil })),
		"ransomware":     f("ransomware", cel.BoolType, always(func(o *finding) bool { return o.KEV != nil && o.KEV.Ransomware })),
		"fixAvailable":   f("fixAvailable", cel.BoolType, always(func(o *finding) bool { return o.FixedVersion != "" })),
		"fixState":       f("fixState", cel.StringType, always(func(o *finding) string { return string(o.FixState) })),
		"fixedVersion":   f("fixedVersion", cel.StringType, always(func(o *finding) string { return o.FixedVersion })),
		"fixedAt":        dated("fixedAt", func(o *finding) time.Time { return o.FixedAt }),
		"published":      dated("published", func(o *finding) time.Time { return o.Published }),
		"uncertain":      f("uncertain", cel.StringType, always(func(o *finding) string { return o.Uncertain })),
		"kevDateAdded": f("kevDateAdded", cel.StringType, func(o *finding) (any, bool) {
			if o.KEV == nil {
				return nil, false
			}
			return o.KEV.DateAdded, true
		}),
	}
}

// packageFields are the fields of the variable pkg, those of the finding's package.
func packageFields() map[string]*types.FieldType {
	type finding = advisory.Finding
	f := func(name string, get func(*finding) string) *types.FieldType {
		return celField("pkg."+name, cel.StringType, always(get))
	}
	return map[string]*types.FieldType{
		"type":          f("type", func(o *finding) string { return o.Package.Type }),
		"ecosystem":     f("ecosystem", func(o *finding) string { return o.Package.Ecosystem }),
		"name":          f("name", func(o *finding) string { return o.Package.Name }),
		"version":       f("version", func(o *finding) string { return o.Package.Version }),
		"source":        f("source", func(o *finding) string { return o.Package.Source }),
		"sourceVersion": f("sourceVersion", func(o *finding) string { return o.Package.SourceVersion }),
		"arch":          f("arch", func(o *finding) string { return o.Package.Arch }),
		"path":          f("path", func(o *finding) string { return o.Package.Path }),
		"layer":         f("layer", func(o *finding) string { return o.Package.Layer }),
	}
}

// imageFields are the fields of the variable image: reference as the workload names it, and its normalised parts; distro and
// distroVersion as os-release has them; distroSupport: supported, extended, endOfLife, unknown, or empty for an image without a
// distribution.
func imageFields() map[string]*types.FieldType {
	f := func(name string, get func(*celImage) string) *types.FieldType {
		return celField("image."+name, cel.StringType, always(get))
	}
	return map[string]*types.FieldType{
		"reference":     f("reference", func(i *celImage) string { return i.name }),
		"registry":      f("registry", func(i *celImage) string { return i.ref.host }),
		"repository":    f("repository", func(i *celImage) string { return i.ref.repository }),
		"tag":           f("tag", func(i *celImage) string { return i.ref.tag }),
		"digest":        f("digest", func(i *celImage) string { return i.digest }),
		"platform":      f("platform", func(i *celImage) string { return i.platform }),
		"distro":        f("distro", func(i *celImage) string { return i.distro.ID }),
		"distroVersion": f("distroVersion", func(i *celImage) string { return i.distro.Version }),
		"distroSupport": f("distroSupport", func(i *celImage) string { return string(i.support) }),
	}
}

// celProvider adds our types to CEL's own.
type celProvider struct {
	types.Provider
	fields map[string]map[string]*types.FieldType
}

// FindStructType knows our type names.
func (p *celProvider) FindStructType(name string) (*types.Type, bool) {
	if p.fields[name] != nil {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames lists a type's fields in order.
func (p *celProvider) FindStructFieldNames(name string) ([]string, bool) {
	if fields := p.fields[name]; fields != nil {
		return slices.Sorted(maps.Keys(fields)), true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType finds a field.
func (p *celProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if fields := p.fields[name]; fields != nil {
		found, ok := fields[field]
		return found, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// NewValue refuses to make values of our types: expressions read them only.
func (p *celProvider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if p.fields[name] != nil {
		return types.NewErr("%s cannot be made in an expression", name)
	}
	return p.Provider.NewValue(name, fields)
}
