package app

import (
	"context"
	"fmt"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/download"
)

// publicFeed is the feedUrl of a server that builds its index from the public data itself, as feed build --download does.
const publicFeed = "public"

// publicUpdate downloads what has changed in the public places and builds the index from it. Whatever fails leaves the index in place.
func publicUpdate(config *Config, log logrus.FieldLogger) (feed.UpdateFunc, error) {
	options, err := downloadOptions(config)
	if err != nil {
		return nil, err
	}
	options.Log = log
	return func(ctx context.Context) (info advisory.Info, changed bool, err error) {
		got, err := download.Run(ctx, options)
		if err != nil {
			return advisory.Info{}, false, err //nolint:wrapcheck // it says all there is to say
		}
		defer func() { _ = got.Release() }() // nothing is lost with it
		for _, note := range got.Notes {
			log.WithField("note", note).Warn("public vulnerability data is not complete or not of today")
		}
		before, unknown := feed.Status(config.Feed)
		if info, err = feed.Build(ctx, got.Sources, config.Feed, nil); err != nil {
			return advisory.Info{}, false, fmt.Errorf("build the feed of the public data: %w", err)
		}
		return info, unknown != nil || before.Revision != info.Revision, nil
	}, nil
}
