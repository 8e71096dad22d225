package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/runecast/runecast/pkg/advisory"
)

// Import takes an index that was built elsewhere: it verifies every record of the file at from, and puts a copy at target,
// atomically. A file that is damaged or no index is refused with an error that says so (*advisory.IndexError), and whatever was at
// target stays as it was, byte by byte. The directory of target must exist.
func Import(ctx context.Context, from, target string) (advisory.Info, error) {
	return importIf(ctx, from, target, func(*advisory.Info) error { return nil })
}

// ErrOlder says that an index was built before the one in place.
var ErrOlder = errors.New("it was built before the index in place")

// ImportNewer is Import for what updates by itself, without a person who wants an older index back: one that was built before that at
// target is refused with an error that wraps ErrOlder, since a registry or mirror that goes back in time would take findings away. An
// index in place that cannot be read, or that says it was built more than a day after now, keeps no other out.
func ImportNewer(ctx context.Context, from, target string, now time.Time) (advisory.Info, error) {
	return importIf(ctx, from, target, func(info *advisory.Info) error {
		there, err := Status(target)
		if err != nil || there.Built.After(now.Add(24*time.Hour)) || !info.Built.Before(there.Built) {
			return nil //nolint:nilerr // as the comment has it
		}
		return fmt.Errorf("%w: at %s, and that at %s; to go back, run runecast feed import or feed pull",
			ErrOlder, info.Built.UTC().Format(time.RFC3339), there.Built.UTC().Format(time.RFC3339))
	})
}

func importIf(ctx context.Context, from, target string, good func(*advisory.Info) error) (advisory.Info, error) {
	info, err := verified(ctx, from)
	if err == nil {
		err = good(&info)
	}
	if err != nil {
		return advisory.Info{}, fmt.Errorf("import feed index: %w", err)
	}
	copied, err := copyBeside(ctx, from, target)
	if err != nil {
		return advisory.Info{}, fmt.Errorf("import feed index %s: %w", from, err)
	}
	defer func() { _ = os.Remove(copied) }() // gone already where all went well
	again, err := verified(ctx, copied)
	if err == nil && again.Revision != info.Revision {
		err = errors.New("the file was changed while it was copied; import it again")
	}
	if err == nil {
		err = advisory.Replace(copied, target)
	}
	if err != nil {
		return advisory.Info{}, fmt.Errorf("import feed index %s: %w", from, err)
	}
	return info, nil
}

// Status describes the index at path after verifying its checksum. Errors are *advisory.IndexError where the file is at fault.
func Status(path string) (advisory.Info, error) {
	x, err := advisory.Open(path)
	if err != nil {
		return advisory.Info{}, err
	}
	return x.Info(), x.Close()
}

// verified reads all of an index.
func verified(ctx context.Context, path string) (advisory.Info, error) {
	x, err := advisory.Open(path)
	if err != nil {
		return advisory.Info{}, err
	}
	return x.Info(), errors.Join(x.Verify(ctx), x.Close())
}

// copyBeside copies a file to a temporary name in the directory of another, synced.
func copyBeside(ctx context.Context, from, target string) (string, error) {
	in, err := os.Open(filepath.Clean(from))
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }() // only read from
	out, err := os.CreateTemp(filepath.Dir(target), ".import-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(out, contextReader{ctx: ctx.Err, r: in})
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return "", errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), nil
}
