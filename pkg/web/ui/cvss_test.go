package ui_test

import (
	"slices"
	"strings"
	"testing"

	gocvss20 "github.com/pandatix/go-cvss/20"
	gocvss30 "github.com/pandatix/go-cvss/30"
	gocvss31 "github.com/pandatix/go-cvss/31"
	gocvss40 "github.com/pandatix/go-cvss/40"

	"github.com/runecast/runecast/pkg/web/ui"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	got := ui.Explain("3.1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:L/A:N/E:P/MAV:L/zz")
	want := []ui.Explained{
		{"AV:N", "Attack vector", "Network: from anywhere"},
		{"AC:L", "Attack complexity", "Low: it works every time"},
		{"PR:N", "Privileges required", "None: without an account"},
		{"UI:R", "User interaction", "Required: somebody must do something, such as open a link"},
		{"S:U", "Scope", "Unchanged: it harms the vulnerable component alone"},
		{"C:H", "Confidentiality", "High: all of it is lost"},
		{"I:L", "Integrity", "Low: some harm to it"},
		{"A:N", "Availability", "None: no harm to it"},
		{"E:P", "Exploit code maturity", "Proof of concept"},
		{"MAV:L", "MAV", "L"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, none := range [][2]string{{"", "AV:N"}, {"9.9", ""}, {"3.1", "CVSS:3.1"}, {"3.1", "///:::"}} {
		if list := ui.Explain(none[0], none[1]); len(list) != 0 && list[0].Part != ":::" {
			t.Errorf("%q gives %v", none, list)
		}
	}
}

// TestExplainKnowsEveryBaseMetric: whatever the parsers of the versions take as a base vector is put in words, each value of each metric.
func TestExplainKnowsEveryBaseMetric(t *testing.T) {
	t.Parallel()
	values := strings.Split("N A L P H M S R U C", " ")
	for _, v := range []struct {
		version, base string
		parse         func(string) error
	}{
		{"2.0", "AV:N/AC:L/Au:N/C:N/I:N/A:N", func(s string) error { _, err := gocvss20.ParseVector(s); return err }},
		{"3.0", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", func(s string) error { _, err := gocvss30.ParseVector(s); return err }},
		{"3.1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", func(s string) error { _, err := gocvss31.ParseVector(s); return err }},
		{"4.0", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", func(s string) error { _, err := gocvss40.ParseVector(s); return err }},
	} {
		parts := strings.Split(v.base, "/")
		seen := 0
		for i, part := range parts {
			name, _, _ := strings.Cut(part, ":")
			for _, value := range values {
				changed := slices.Clone(parts)
				changed[i] = name + ":" + value
				vector := strings.Join(changed, "/")
				if name == "CVSS" || v.parse(vector) != nil {
					continue
				}
				seen++
				for _, m := range ui.Explain(v.version, vector) {
					if m.Name == strings.Split(m.Part, ":")[0] || len(m.Value) < 4 {
						t.Errorf("%s %s is not put in words: %v", v.version, m.Part, m)
					}
				}
			}
		}
		if seen < 15 {
			t.Errorf("%s: %d values were tried", v.version, seen)
		}
	}
}
