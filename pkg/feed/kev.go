package feed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// kevCatalogue is CISA's catalogue (https://www.cisa.gov/known-exploited-vulnerabilities-catalog).
type kevCatalogue struct {
	DateReleased    string     `json:"dateReleased"`
	Vulnerabilities []kevEntry `json:"vulnerabilities"`
}

type kevEntry struct {
	CVEID      string `json:"cveID"` //nolint:tagliatelle // CISA's name
	DateAdded  string `json:"dateAdded"`
	DueDate    string `json:"dueDate"`
	Ransomware string `json:"knownRansomwareCampaignUse"`
}

// readKEV reads the catalogue.
func (k *knowledge) readKEV(ctx context.Context, file string, progress progressFunc) (advisory.Source, error) {
	s, err := describe(ctx, "kev", file)
	if err != nil {
		return s, err
	}
	if err = readPlain(ctx, file, func(r io.Reader) error { return k.scanKEV(r, &s) }); err != nil {
		return s, fmt.Errorf("KEV: %w", err)
	}
	stage(progress, s.Name)(int64(s.Records), int64(s.Records))
	return s, nil
}

func (k *knowledge) scanKEV(r io.Reader, s *advisory.Source) error {
	var catalogue kevCatalogue
	if err := json.NewDecoder(r).Decode(&catalogue); err != nil {
		return err
	}
	if len(catalogue.Vulnerabilities) == 0 {
		return errors.New("it has no vulnerabilities and is not CISA's catalogue")
	}
	s.Records = len(catalogue.Vulnerabilities)
	k.date(s, parseTime(catalogue.DateReleased))
	for _, e := range catalogue.Vulnerabilities {
		if !k.wanted[e.CVEID] {
			continue
		}
		k.kev[e.CVEID] = &advisory.KEV{
			DateAdded: e.DateAdded, DueDate: e.DueDate, Ransomware: strings.EqualFold(e.Ransomware, "known"),
		}
		s.Used++
	}
	return nil
}
