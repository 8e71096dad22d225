package lifecycle_test

import (
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/lifecycle"
)

func day(t *testing.T, date string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestSupport asks about releases on the last day of their support and on the next.
func TestSupport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id, version, on string
		want            lifecycle.Support
	}{
		{"debian", "10", "2022-09-10", lifecycle.SupportStandard},
		{"debian", "10", "2022-09-11", lifecycle.SupportExtended},
		{"debian", "10", "2024-06-30", lifecycle.SupportExtended},
		{"debian", "10", "2024-07-01", lifecycle.SupportEndOfLife},
		{"debian", "99", "2022-01-01", lifecycle.SupportUnknown},
		{"debian", "", "2022-01-01", lifecycle.SupportUnknown},
		{"ubuntu", "22.04", "2027-04-30", lifecycle.SupportStandard},
		{"ubuntu", "18.04", "2023-06-01", lifecycle.SupportEndOfLife},
		{"alpine", "3.19.1", "2025-11-01", lifecycle.SupportStandard},
		{"alpine", "3.19.1", "2025-11-02", lifecycle.SupportEndOfLife},
		{"alpine", "3.1", "2025-11-02", lifecycle.SupportEndOfLife},
		{"alpine", "3.23_alpha20250612", "2025-11-02", lifecycle.SupportUnknown},
		{"rhel", "7.9", "2024-07-01", lifecycle.SupportExtended},
		{"rocky", "9.4", "2026-01-01", lifecycle.SupportStandard},
		{"almalinux", "8.10", "2030-01-01", lifecycle.SupportEndOfLife},
		{"centos", "7", "2024-07-01", lifecycle.SupportEndOfLife},
		{"amzn", "2023", "2026-01-01", lifecycle.SupportStandard},
		{"amzn", "2", "2026-07-01", lifecycle.SupportEndOfLife},
		{"ol", "8.9", "2026-01-01", lifecycle.SupportStandard},
		{"sles", "15", "2023-01-01", lifecycle.SupportEndOfLife},
		{"sles_sap", "15.5", "2026-01-01", lifecycle.SupportExtended},
		{"opensuse-leap", "15.6", "2026-05-01", lifecycle.SupportEndOfLife},
		{"opensuse-tumbleweed", "20240101", "2030-01-01", lifecycle.SupportStandard},
		{"wolfi", "20230201", "2030-01-01", lifecycle.SupportStandard},
		{"mariner", "2.0.20240123", "2025-08-01", lifecycle.SupportEndOfLife},
		{"novel", "1", "2025-08-01", lifecycle.SupportUnknown},
		{"", "", "2025-08-01", ""},
	}
	for _, test := range tests {
		d := lifecycle.Of(inventory.OS{ID: test.id, VersionID: test.version})
		if got := d.Support(day(t, test.on)); got != test.want {
			t.Errorf("%s %s on %s: %q, want %q", test.id, test.version, test.on, got, test.want)
		}
	}
}

// TestOf shows what is said of distributions that OSV has and has not, and of those that nobody knows.
func TestOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		os   inventory.OS
		want lifecycle.Distribution
	}{
		{inventory.OS{}, lifecycle.Distribution{}},
		{
			inventory.OS{ID: "debian", VersionID: "10", PrettyName: "Debian GNU/Linux 10 (buster)"},
			lifecycle.Distribution{
				ID: "debian", Version: "10", Name: "Debian GNU/Linux 10 (buster)", Known: true, Ecosystem: "Debian:10",
				EndOfLife: "2022-09-10", ExtendedEnd: "2024-06-30",
			},
		},
		{
			inventory.OS{ID: "wolfi", VersionID: "20230201"},
			lifecycle.Distribution{ID: "wolfi", Version: "20230201", Name: "wolfi 20230201", Known: true, Ecosystem: "Wolfi", Rolling: true},
		},
		{
			inventory.OS{ID: "amzn", VersionID: "2023", PrettyName: "Amazon Linux 2023"},
			lifecycle.Distribution{
				ID: "amzn", Version: "2023", Name: "Amazon Linux 2023", Known: true, Reason: `OSV has no advisories of the distribution "amzn"`,
				EndOfLife: "2027-06-30", ExtendedEnd: "2029-06-30",
			},
		},
		{
			inventory.OS{ID: "novel"},
			lifecycle.Distribution{ID: "novel", Name: "novel", Reason: `the distribution "novel" is not known`},
		},
	}
	for _, test := range tests {
		if got := lifecycle.Of(test.os); got != test.want {
			t.Errorf("%+v:\n got %+v\nwant %+v", test.os, got, test.want)
		}
	}
}
