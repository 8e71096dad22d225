package advisory

import "strings"

// NormalizeName gives the form of a package's name under which an index lists it. PyPI has several spellings of one name:
// lower case, and runs of - _ . are one - (https://peps.python.org/pep-0503/#normalized-names). NuGet and Packagist tell no upper case
// from lower (https://learn.microsoft.com/nuget/reference/nuspec#id, https://getcomposer.org/doc/04-schema.md#name). All other
// names are exact.
func NormalizeName(ecosystem, name string) string {
	if ecosystem == "NuGet" || ecosystem == "Packagist" {
		return strings.ToLower(name)
	}
	if ecosystem != "PyPI" || normalPyPI(name) {
		return name
	}
	var b strings.Builder
	separator := false
	for _, r := range strings.ToLower(name) {
		if r == '-' || r == '_' || r == '.' {
			separator = true
			continue
		}
		if separator {
			b.WriteByte('-')
			separator = false
		}
		b.WriteRune(r)
	}
	if separator {
		b.WriteByte('-')
	}
	return b.String()
}

func normalPyPI(name string) bool {
	dash := false
	for _, r := range name {
		if r == '_' || r == '.' || r >= 'A' && r <= 'Z' || r >= 0x80 || (r == '-' && dash) {
			return false
		}
		dash = r == '-'
	}
	return true
}
