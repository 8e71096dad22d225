package advisory

import (
	"fmt"
	"slices"
	"strings"
)

// FixState tells what is known of the fix of a finding, in the words that Grype uses, and CSAF for wont-fix
// (https://docs.oasis-open.org/csaf/csaf/v2.0/os/csaf-v2.0-os.html, section 3.2.3.12: no_fix_planned).
type FixState string

// The states.
const (
	FixStateFixed    FixState = "fixed"     // a version with the fix is known: Finding.FixedVersion
	FixStateNotFixed FixState = "not-fixed" // the advisory says that every later version is affected, so far
	FixStateWontFix  FixState = "wont-fix"  // so it is, and whoever makes the package has said that it will stay so
	FixStateUnknown  FixState = "unknown"   // the advisory does not say, or the match is not certain
)

// FixStates lists the states.
func FixStates() []FixState {
	return []FixState{FixStateFixed, FixStateNotFixed, FixStateWontFix, FixStateUnknown}
}

// ParseFixState reads a state's name in any case.
func ParseFixState(name string) (FixState, error) {
	for _, known := range FixStates() {
		if strings.EqualFold(name, string(known)) {
			return known, nil
		}
	}
	return "", fmt.Errorf("fix state %q is none of fixed, not-fixed, wont-fix, unknown", name)
}

// fixState tells a certain verdict's state. An interval that ends without a fixed version, as a list of affected versions and a last
// affected one give, leaves it open whether a later version is mended.
func (v *verdict) fixState(row *row, position int) FixState {
	endless := func(iv interval) bool { return iv.to == noLimit && (position < 0 || iv.contains(position)) }
	switch {
	case v.uncertain != "":
		return FixStateUnknown
	case v.fixed > 0:
		return FixStateFixed
	case row.wontFix != 0:
		return FixStateWontFix
	case slices.ContainsFunc(row.intervals, endless):
		return FixStateNotFixed
	}
	return FixStateUnknown
}
