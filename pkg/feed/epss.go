package feed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/runecast/runecast/pkg/advisory"
)

// readEPSS reads FIRST's scores (https://www.first.org/epss/data_stats): a comment line with the model's date
// (#model_version:v2025.03.14,score_date:2026-11-23T12:55:00Z), the heading cve,epss,percentile and one line for each CVE.
func (k *knowledge) readEPSS(ctx context.Context, file string, progress progressFunc) (advisory.Source, error) {
	s, err := describe(ctx, "epss", file)
	if err != nil {
		return s, err
	}
	err = readPlain(ctx, file, func(r io.Reader) error { return k.scanEPSS(r, &s) })
	if err != nil {
		return s, fmt.Errorf("EPSS: %w", err)
	}
	stage(progress, s.Name)(int64(s.Records), int64(s.Records))
	return s, nil
}

func (k *knowledge) scanEPSS(r io.Reader, s *advisory.Source) error {
	lines := bufio.NewScanner(r)
	heading := false
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "":
		case strings.HasPrefix(line, "#"):
			if _, date, found := strings.Cut(line, "score_date:"); found {
				k.date(s, parseTime(strings.TrimSpace(date)))
			}
		case !heading:
			if line != "cve,epss,percentile" {
				return fmt.Errorf("line %d is %q instead of the heading cve,epss,percentile", n, shorten(line, 60))
			}
			heading = true
		default:
			if err := k.addEPSS(line, s); err != nil {
				return fmt.Errorf("line %d, %q: %w", n, shorten(line, 60), err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if !heading {
		return errors.New("it has no heading cve,epss,percentile and is no EPSS file")
	}
	return nil
}

func (k *knowledge) addEPSS(line string, s *advisory.Source) error {
	fields := strings.Split(line, ",")
	if len(fields) != 3 {
		return fmt.Errorf("it has %d fields instead of 3", len(fields))
	}
	var values [2]float64
	for i, text := range fields[1:] {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return fmt.Errorf("%q is no number from 0 to 1", text)
		}
		values[i] = v
	}
	s.Records++
	if k.wanted[fields[0]] {
		k.epss[strings.Clone(fields[0])] = &advisory.EPSS{Probability: values[0], Percentile: values[1]}
		s.Used++
	}
	return nil
}
