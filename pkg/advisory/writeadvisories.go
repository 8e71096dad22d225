package advisory

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// advisories streams the details of all records into their section; only the offsets are kept.
func (w *writer) advisories(ctx context.Context, c *Contents) error {
	start := w.at
	offsets := binary.LittleEndian.AppendUint64(nil, 0)
	previous := ""
	for a, err := range c.Advisories {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if previous >= a.ID {
			return fmt.Errorf("advisory %s is out of order", a.ID)
		}
		previous = a.ID
		for _, list := range [][]string{a.Aliases, a.Upstream} {
			for _, alias := range list {
				w.alias(alias, w.info.Advisories, len(a.Details)+len(a.Summary))
			}
		}
		if err := w.write(sectionAdvisories, appendAdvisory(nil, &a)); err != nil {
			return err
		}
		offsets = binary.LittleEndian.AppendUint64(offsets, w.at-start)
		w.info.Advisories++
		if a.Severity != SeverityUnknown {
			w.info.Rated++
		}
	}
	w.sections[sectionAdvisories] = [2]uint64{start, w.at - start}
	if w.info.Advisories > math.MaxUint32 {
		return fmt.Errorf("the feed has %d advisories, which is more than an index holds", w.info.Advisories)
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(w.info.Advisories)) //nolint:gosec // G115: checked above
	return w.section(sectionOffsets, head, offsets)
}

// alias notes what record an alias names: the one with the most text, of equal ones the first.
func (w *writer) alias(alias string, advisory, weight int) {
	if known, ok := w.aliases[alias]; !ok || weight > known.weight {
		w.aliases[alias] = aliasTarget{advisory: advisory, weight: weight}
	}
}

func (w *writer) aliasSection() []byte {
	var b []byte
	for _, alias := range slices.Sorted(maps.Keys(w.aliases)) {
		b = binary.LittleEndian.AppendUint32(b, w.number32(alias))
		b = binary.LittleEndian.AppendUint32(b, uint32(w.aliases[alias].advisory)) //nolint:gosec // G115: advisories counts them in 32 bits
	}
	return b
}
