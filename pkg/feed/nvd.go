package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/runecast/runecast/pkg/advisory"
)

// nvdItem is what is read of one vulnerability of NVD's JSON 2.0 (https://csrc.nist.gov/schema/nvd/api/2.0/cve_api_json_2.0.schema).
type nvdItem struct {
	CVE struct {
		ID           string `json:"id"`
		LastModified string `json:"lastModified"`
		VulnStatus   string `json:"vulnStatus"`
		Metrics      struct {
			V40 []nvdMetric `json:"cvssMetricV40"`
			V31 []nvdMetric `json:"cvssMetricV31"`
			V30 []nvdMetric `json:"cvssMetricV30"`
			V2  []nvdMetric `json:"cvssMetricV2"`
		} `json:"metrics"`
		Descriptions []struct {
			Lang  string `json:"lang"`
			Value string `json:"value"`
		} `json:"descriptions"`
	} `json:"cve"`
}

type nvdMetric struct {
	Type     string `json:"type"`
	CVSSData struct {
		VectorString string `json:"vectorString"`
	} `json:"cvssData"`
}

// readNVD reads one file of NVD's JSON 2.0, plain or gzip.
func (k *knowledge) readNVD(ctx context.Context, file string, progress progressFunc) (advisory.Source, error) {
	s, err := describe(ctx, "nvd", file)
	if err != nil {
		return s, err
	}
	tell := stage(progress, s.Name)
	if err = readPlain(ctx, file, func(r io.Reader) error { return k.scanNVD(r, &s, tell) }); err != nil {
		return s, fmt.Errorf("NVD: %w", err)
	}
	tell(int64(s.Records), int64(s.Records))
	return s, nil
}

// scanNVD reads the list item by item: it has a quarter of a million.
func (k *knowledge) scanNVD(r io.Reader, s *advisory.Source, tell func(done, total int64)) error {
	var total int64
	d := json.NewDecoder(r)
	found, err := seekArray(d, "vulnerabilities", func(name string) error {
		if name == "totalResults" {
			return d.Decode(&total)
		}
		return d.Decode(new(json.RawMessage))
	})
	if err != nil {
		return err
	}
	if !found {
		return errors.New("it has no vulnerabilities and is not NVD's JSON 2.0")
	}
	for d.More() {
		var item nvdItem
		if err = d.Decode(&item); err != nil {
			return fmt.Errorf("vulnerability %d (%s): %w", s.Records+1, item.CVE.ID, err)
		}
		s.Records++
		if s.Records%1024 == 0 {
			tell(int64(s.Records), total)
		}
		k.date(s, parseTime(item.CVE.LastModified))
		if k.addNVD(&item) {
			s.Used++
		}
	}
	_, err = d.Token() // the end of the list: a file that was cut off here is not complete
	return err
}

// seekArray reads an object up to the start of one of its arrays; every other member is given to skip.
func seekArray(d *json.Decoder, member string, skip func(name string) error) (bool, error) {
	start, err := d.Token()
	if err != nil {
		return false, err
	}
	if start != json.Delim('{') {
		return false, errors.New("it is no JSON object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return false, err
		}
		if name != member {
			text, _ := name.(string) // a member's name is a string, or the decoder would have failed
			if skipErr := skip(text); skipErr != nil {
				return false, skipErr
			}
			continue
		}
		open, err := d.Token()
		if err != nil {
			return false, err
		}
		if open != json.Delim('[') {
			return false, fmt.Errorf("%s is no list", member)
		}
		return true, nil
	}
	return false, nil
}

// addNVD notes NVD's own rating, which it calls Primary, and tells whether there was one.
func (k *knowledge) addNVD(item *nvdItem) bool {
	id := item.CVE.ID
	if !k.wanted[id] || item.CVE.VulnStatus == "Rejected" {
		return false
	}
	if k.titles[id] == "" {
		for _, d := range item.CVE.Descriptions {
			if d.Lang == "en" {
				k.titles[id] = oneLine(d.Value)
				break
			}
		}
	}
	var vectors []string
	m := &item.CVE.Metrics
	for _, list := range [][]nvdMetric{m.V40, m.V31, m.V30, m.V2} {
		for _, metric := range list {
			if metric.Type == "Primary" {
				vectors = append(vectors, metric.CVSSData.VectorString)
			}
		}
	}
	s := best("NVD", vectors...)
	if s == nil {
		return false
	}
	k.nvd[id] = s
	return true
}
