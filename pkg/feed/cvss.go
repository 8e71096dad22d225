package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	cvss20 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"

	"github.com/runecast/runecast/pkg/advisory"
)

// score is one rating and who gave it. A nil score rates nothing.
type score struct {
	severity advisory.Severity
	source   string
	cvss     *advisory.CVSS // nil for a rating in words
}

// newScore rates a CVSS vector of any version.
func newScore(vector, source string) (*score, error) {
	vector = strings.TrimSpace(vector)
	version, base, err := baseScore(vector)
	if err != nil {
		return nil, fmt.Errorf("CVSS vector %q: %w", shorten(vector, 100), err)
	}
	return &score{
		severity: cvssSeverity(version, base), source: source,
		cvss: &advisory.CVSS{Version: version, Vector: vector, Score: base},
	}, nil
}

func baseScore(vector string) (version string, base float64, err error) {
	if len(vector) > 512 {
		return "", 0, errors.New("it is too long to be one")
	}
	switch {
	case strings.HasPrefix(vector, "CVSS:4.0/"):
		v, err := cvss40.ParseVector(vector)
		if err == nil {
			v, err = cvss40.ParseVector(baseMetrics4(vector))
		}
		if err != nil {
			return "", 0, err
		}
		return "4.0", v.Score(), nil
	case strings.HasPrefix(vector, "CVSS:3.1/"):
		v, err := cvss31.ParseVector(vector)
		if err != nil {
			return "", 0, err
		}
		return "3.1", v.BaseScore(), nil
	case strings.HasPrefix(vector, "CVSS:3.0/"):
		v, err := cvss30.ParseVector(vector)
		if err != nil {
			return "", 0, err
		}
		return "3.0", v.BaseScore(), nil
	default:
		v, err := cvss20.ParseVector(strings.Trim(vector, "()"))
		if err != nil {
			return "", 0, err
		}
		return "2.0", v.BaseScore(), nil
	}
}

// baseMetrics4 leaves the base metrics of a CVSS 4.0 vector, which say how bad a vulnerability is
// (https://www.first.org/cvss/v4.0/specification-document, section 2). The others say what one reporter knew of exploits that day, or
// how things are at one place: version 4 counts them in its only score, and they would lower it for everyone for good.
func baseMetrics4(vector string) string {
	parts := strings.Split(vector, "/")
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool {
		metric, _, _ := strings.Cut(part, ":")
		return !slices.Contains([]string{"CVSS", "AV", "AC", "AT", "PR", "UI", "VC", "VI", "VA", "SC", "SI", "SA"}, metric)
	}), "/")
}

// cvssSeverity gives the rating of a base score: of versions 3 and 4 by section 5 and 6 of their specifications, of version 2,
// which has none of its own, by NVD's bands (https://nvd.nist.gov/vuln-metrics/cvss).
func cvssSeverity(version string, base float64) advisory.Severity {
	switch {
	case version == "2.0" && base >= 7:
		return advisory.SeverityHigh
	case version == "2.0" && base < 4:
		return advisory.SeverityLow
	case base >= 9:
		return advisory.SeverityCritical
	case base >= 7:
		return advisory.SeverityHigh
	case base >= 4:
		return advisory.SeverityMedium
	case base > 0:
		return advisory.SeverityLow
	default:
		return advisory.SeverityNone
	}
}

// best gives the rating of the newest CVSS version among vectors: 4, then 3, then 2. A vector that cannot be read is left out: a rating that nobody can
// compute rates nothing, and the next source is asked.
func best(source string, vectors ...string) *score {
	var found *score
	for _, vector := range vectors {
		s, err := newScore(vector, source)
		if err != nil {
			continue
		}
		if found == nil || s.cvss.Version > found.cvss.Version {
			found = s
		}
	}
	return found
}

// cvssOf gives the best CVSS of an OSV severity list.
func cvssOf(source string, severities []osvSeverity) *score {
	var vectors []string
	for _, s := range severities {
		if strings.HasPrefix(s.Type, "CVSS_") {
			vectors = append(vectors, s.Score)
		}
	}
	return best(source, vectors...)
}
