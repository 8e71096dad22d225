package advisory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Verify reads every record of the index, beyond the checksum that Open looks at: an index that passes gives no error in use. The
// checksum tells that a file is as it was written, this tells that its writer made no mistake.
func (x *Index) Verify(ctx context.Context) error {
	return x.guarded(func() error {
		for i := range x.strings.n {
			if _, err := x.strings.record(i); err != nil {
				return x.damaged("text %d: %v", i, err)
			}
		}
		if err := x.verifyPackages(ctx); err != nil {
			return err
		}
		for i := range x.vulns.n {
			if _, err := x.vulnerability(i); err != nil {
				return x.damaged("vulnerability %d: %v", i, err)
			}
		}
		return x.verifyAdvisories()
	})
}

func (x *Index) verifyPackages(ctx context.Context) error {
	for i := range len(x.packages) / packageWidth {
		if i%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("verify feed index %s: %w", x.path, ctx.Err())
		}
		entry := x.packages[i*packageWidth:]
		ecosystem, name := string(x.stringBytes(entry)), string(x.stringBytes(entry[4:]))
		err := x.verifyRows(ecosystem, binary.LittleEndian.Uint64(entry[8:]))
		if err == nil && i > 0 && x.comparePackage(i-1, ecosystem, name) >= 0 {
			err = errors.New("it is out of order")
		}
		if err != nil {
			return x.damaged("package %s of %s: %v", shorten(name), shorten(ecosystem), err)
		}
	}
	return nil
}

// verifyRows reads the rows of a package and compares its boundaries.
func (x *Index) verifyRows(ecosystem string, offset uint64) error {
	rows := x.packageRows(offset, nil)
	var previous Version
	for i, number := range rows.bounds {
		text, err := x.strings.text(number)
		if err != nil {
			return err
		}
		v, err := ParseVersion(ecosystem, text)
		if err != nil {
			return err
		}
		if i > 0 {
			if order, err := previous.Compare(v); err != nil || order >= 0 {
				return errors.Join(fmt.Errorf("version %s is out of order", shorten(text)), err)
			}
		}
		previous = v
	}
	var r row
	for rows.next(&r) {
		continue
	}
	return rows.err
}

func (x *Index) verifyAdvisories() error {
	for i := range x.advisories.n {
		b, err := x.advisories.record(i)
		if err == nil {
			_, err = decodeAdvisory(b)
		}
		if err != nil {
			return x.damaged("advisory %d: %v", i, err)
		}
	}
	for i := range len(x.aliases) / aliasWidth {
		entry := x.aliases[i*aliasWidth:]
		if n := binary.LittleEndian.Uint32(entry[4:]); int(n) >= x.advisories.n || x.stringBytes(entry) == nil {
			return x.damaged("alias %d names advisory %d of %d", i, n, x.advisories.n)
		}
	}
	return nil
}
