package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// cveRecord is what is read of a CVE JSON 5 record (https://github.com/CVEProject/cve-schema).
type cveRecord struct {
	CVEMetadata struct {
		CVEID       string `json:"cveId"`
		State       string `json:"state"`
		DateUpdated string `json:"dateUpdated"`
	} `json:"cveMetadata"`
	Containers struct {
		CNA cveContainer   `json:"cna"`
		ADP []cveContainer `json:"adp"`
	} `json:"containers"`
}

type cveContainer struct {
	Title            string      `json:"title"`
	Metrics          []cveMetric `json:"metrics"`
	ProviderMetadata struct {
		ShortName string `json:"shortName"`
	} `json:"providerMetadata"`
	Descriptions []struct {
		Lang  string `json:"lang"`
		Value string `json:"value"`
	} `json:"descriptions"`
}

type cveMetric struct {
	V4  cveCVSS `json:"cvssV4_0"` //nolint:tagliatelle // the CVE Program's name
	V31 cveCVSS `json:"cvssV3_1"` //nolint:tagliatelle // the CVE Program's name
	V30 cveCVSS `json:"cvssV3_0"` //nolint:tagliatelle // the CVE Program's name
	V2  cveCVSS `json:"cvssV2_0"` //nolint:tagliatelle // the CVE Program's name
}

type cveCVSS struct {
	VectorString string `json:"vectorString"`
}

// readCVE reads a zip of CVE records. Only the records of CVEs that matter are read: a record's file has its name.
func (k *knowledge) readCVE(ctx context.Context, file string, progress progressFunc) (advisory.Source, error) {
	s, err := describe(ctx, "cve", file)
	if err != nil {
		return s, err
	}
	want := func(name string) bool { return k.wanted[strings.TrimSuffix(name, ".json")] }
	s.Records, err = zipRecords(ctx, file, want, stage(progress, s.Name), func(_ string, text []byte) error {
		r, decodeErr := decodeCVE(text)
		if decodeErr != nil {
			return decodeErr
		}
		k.date(&s, parseTime(r.CVEMetadata.DateUpdated))
		if k.addCVE(r) {
			s.Used++
		}
		return nil
	})
	if err != nil {
		return s, fmt.Errorf("CVE records: %w", err)
	}
	return s, nil
}

func decodeCVE(text []byte) (*cveRecord, error) {
	var r cveRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("it is no CVE record: %w", err)
	}
	if r.CVEMetadata.CVEID == "" {
		return nil, errors.New("it is no CVE record: it has no cveId")
	}
	return &r, nil
}

// addCVE notes what a record says and tells whether it said anything. A rejected CVE rates nothing.
func (k *knowledge) addCVE(r *cveRecord) bool {
	id := r.CVEMetadata.CVEID
	if r.CVEMetadata.State == "REJECTED" || !k.wanted[id] {
		return false
	}
	said := false
	if s := r.Containers.CNA.best("CNA"); s != nil {
		k.cna[id], said = s, true
	}
	for i := range r.Containers.ADP {
		adp := &r.Containers.ADP[i]
		if adp.ProviderMetadata.ShortName != "CISA-ADP" {
			continue
		}
		if s := adp.best("CISA-ADP"); s != nil {
			k.adp[id], said = s, true
		}
	}
	title := r.Containers.CNA.Title
	for _, d := range r.Containers.CNA.Descriptions {
		if title == "" && strings.HasPrefix(d.Lang, "en") {
			title = d.Value
		}
	}
	if title = oneLine(title); title != "" {
		k.titles[id], said = title, true
	}
	return said
}

func (c *cveContainer) best(source string) *score {
	var vectors []string
	for _, m := range c.Metrics {
		for _, v := range []cveCVSS{m.V4, m.V31, m.V30, m.V2} {
			if v.VectorString != "" {
				vectors = append(vectors, v.VectorString)
			}
		}
	}
	return best(source, vectors...)
}
