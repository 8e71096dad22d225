package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/runecast/runecast/pkg/advisory"
)

// feeds uses the index of the moment and gives it back.
type feeds struct{ source Feeds }

// noFeedError says that there is nothing to match against.
type noFeedError struct{ err error }

func (n *noFeedError) Error() string {
	if n.err == nil {
		return "there is no vulnerability data"
	}
	return n.err.Error() // it says what is missing
}

func (n *noFeedError) Unwrap() error { return n.err }

func (f feeds) use(fn func(*advisory.Index) error) error {
	ix, release, err := f.source.Current()
	if release != nil {
		defer release()
	}
	if err != nil || ix == nil {
		return &noFeedError{err}
	}
	return fn(ix)
}

// revision gives the one that a report would have now. Every review asks, so it looks at nothing else of the feed.
func (f feeds) revision() (revision string, err error) {
	err = f.use(func(ix *advisory.Index) error {
		revision = ix.Info().Revision
		return nil
	})
	return revision, err
}

// match looks the packages up in the newest feed.
func (f feeds) match(ctx context.Context, c *Contents) (matches advisory.Matches, feed Feed, err error) {
	err = f.use(func(ix *advisory.Index) error {
		feed = feedOf(ix)
		matches, err = ix.Match(ctx, c.Inventory)
		if err != nil && ctx.Err() == nil {
			return errors.Join(errFeedDamaged, fmt.Errorf("match against feed %s: %w", feed.Revision, err))
		}
		feed = feedOfMatches(ix, &matches)
		return err
	})
	return matches, feed, err
}

// errFeedDamaged marks a feed that cannot be read.
var errFeedDamaged = errors.New("the feed cannot be used")

func feedOf(ix *advisory.Index) Feed {
	info := ix.Info()
	feed := Feed{Revision: info.Revision, Date: info.Date}
	has := func(source string) bool {
		return slices.ContainsFunc(info.Sources, func(s advisory.Source) bool { return s.Name == source })
	}
	for _, list := range []string{"epss", "kev"} {
		if !has(list) {
			feed.Lacks = append(feed.Lacks, list)
		}
	}
	// Advisories of languages mostly carry ratings of their own, those of distributions hardly ever do.
	if !has("nvd") && !has("cve") && 2*info.Rated < info.Advisories {
		feed.Lacks = append(feed.Lacks, "ratings")
	}
	return feed
}
