package advisory

import (
	"regexp"
	"strings"
)

// pep440 is the grammar of https://peps.python.org/pep-0440/ in the lenient spelling that its normalisation rules accept:
// [v][epoch!]release[pre][post][dev][+local], in lower case.
var pep440 = regexp.MustCompile(`^v?(\d+!)?\d+(\.\d+)*` +
	`([-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?\d*)?` +
	`(-\d+|[-_.]?(post|rev|r)[-_.]?\d*)?` +
	`([-_.]?dev[-_.]?\d*)?` +
	`(\+[a-z0-9]+([-_.][a-z0-9]+)*)?$`)

// checkPyPI tells what is wrong with a Python version. Versions from before PEP 440 have no defined order and are refused.
func checkPyPI(version string) string {
	if !pep440.MatchString(strings.ToLower(strings.TrimSpace(version))) {
		return "it does not follow PEP 440"
	}
	return ""
}
