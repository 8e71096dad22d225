package feed_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/runecast/runecast/pkg/feed"
)

const wantedCVE = "CVE-2021-3711"

// fuzzRatings reads hostile texts as a source of ratings: an error or something that holds together, never a panic.
func fuzzRatings(f *testing.F, source string) {
	f.Helper()
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := feed.LearnForTest(source, text, wantedCVE, clock())
		if l.Source.Modified.After(clock()) && l.Source.Modified.Sub(clock()) > 24*60*60*1e9 {
			t.Errorf("a date in the future: %s", l.Source.Modified)
		}
		if utf8.RuneCountInString(l.Title) > 300 || strings.ContainsAny(l.Title, "\n\r") {
			t.Errorf("title %q", l.Title)
		}
		for _, c := range l.CVSS {
			if c == nil || c.Vector == "" || !(c.Score >= 0 && c.Score <= 10) || c.Version == "" {
				t.Errorf("rating %+v", c)
			}
		}
		if e := l.EPSS; e != nil && (!(e.Probability >= 0 && e.Probability <= 1) || !(e.Percentile >= 0 && e.Percentile <= 1)) {
			t.Errorf("EPSS %+v", e)
		}
		known := len(l.CVSS) > 0 || l.Title != "" || l.EPSS != nil || l.KEV != nil
		if err == nil && l.Source.Used > 0 && !known {
			t.Errorf("%d of %d records were used for nothing", l.Source.Used, l.Source.Records)
		}
	})
}

func addFile(f *testing.F, path string) {
	f.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
}

func FuzzNVD(f *testing.F) {
	addFile(f, "testdata/nvd.json")
	f.Add([]byte(`{"totalResults":"x","vulnerabilities":[]}`))
	f.Add([]byte(`{"vulnerabilities":[{"cve":{"id":"CVE-2021-3711","lastModified":"9999-01-01T00:00:00Z","descriptions":[{"lang":"en","value":"a\nb"}],"metrics":{"cvssMetricV40":[{"type":"Primary","cvssData":{"vectorString":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H"}}]}}}]}`))
	fuzzRatings(f, "nvd")
}

func FuzzCVE(f *testing.F) {
	addFile(f, "testdata/cve/CVE-2022-0778.json")
	f.Add([]byte(`{"cveMetadata":{"cveId":"CVE-2021-3711","state":"PUBLISHED","dateUpdated":"2024-08-03T17:01:07.985Z"},"containers":{"cna":{"title":"t","metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]},"adp":[{"providerMetadata":{"shortName":"CISA-ADP"},"metrics":[{"cvssV4_0":{"vectorString":"CVSS:4.0/AV:N"}},{"cvssV2_0":{"vectorString":"AV:N/AC:L/Au:N/C:P/I:P/A:P"}}]}]}}`))
	f.Add([]byte(`{"cveMetadata":{"cveId":"CVE-2021-3711","state":"REJECTED"},"containers":{"cna":{"descriptions":[{"lang":"en-US","value":" "}]}}}`))
	fuzzRatings(f, "cve")
}

func FuzzKEV(f *testing.F) {
	addFile(f, "testdata/kev.json")
	f.Add([]byte(`{"dateReleased":"2025-08-25","vulnerabilities":[{"cveID":"CVE-2021-3711","dateAdded":"never","knownRansomwareCampaignUse":"KNOWN"},null]}`))
	fuzzRatings(f, "kev")
}

func FuzzEPSS(f *testing.F) {
	addFile(f, "testdata/epss.csv")
	f.Add([]byte("cve,epss,percentile\r\nCVE-2021-3711,1e-5,NaN\r\n"))
	f.Add([]byte("#score_date:2026-07-30T00:00:00Z,score_date:x\ncve,epss,percentile\nCVE-2021-3711,0x1p-2,1\n\n#\n"))
	fuzzRatings(f, "epss")
}

// FuzzStatement reads hostile words about whether a package is affected and will be mended.
func FuzzStatement(f *testing.F) {
	f.Add("Debian:10", []byte(`{"urgency":"end-of-life"}`))
	f.Add("Ubuntu:22.04:LTS", []byte(`{"status":"Won’t fix","state":"not affected"}`))
	f.Add("npm", []byte(`{"fix_state":["ignored"],"status":{"status":"ignored"}}`))
	f.Add("Red Hat", []byte(`{"fix_state":"Out of support scope"}`))
	f.Fuzz(func(t *testing.T, ecosystem string, field []byte) {
		if !json.Valid(field) {
			return // a record with it would not have been decoded
		}
		notAffected, wontFix := feed.StatementForTest(ecosystem, field)
		lower := strings.ToLower(string(field))
		if notAffected && !strings.Contains(lower, "state") && !strings.Contains(lower, "status") && !strings.Contains(lower, `\u`) {
			t.Errorf("not affected by %q", field)
		}
		if wontFix != "" && utf8.RuneCountInString(wontFix) > utf8.RuneCountInString(ecosystem)+62 {
			t.Errorf("%q", wontFix)
		}
	})
}
