package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/artifact"
	"github.com/runecast/runecast/pkg/feed/download"
	"github.com/runecast/runecast/pkg/image"
)

const httpsScheme = "https://"

func addUpdateFlags(flags *pflag.FlagSet) {
	flags.String("feed-url", "", "`URL` of the feed: oci://registry/repository:tag, https://host/feed.index, or public: built of the public data (default none)")
	flags.Duration("feed-update-interval", 0, "how often it looks there, a tenth more or less by chance (default 1h)")
	addDownloadFlags(flags)
}

// checkFeedURL checks the setting feedUrl; empty is none. What it has of a password is not shown.
func checkFeedURL(text string) error {
	switch {
	case text == "" || text == publicFeed:
		return nil
	case strings.HasPrefix(text, artifact.Scheme):
		if err := artifact.CheckReference(text); err != nil {
			return fmt.Errorf("feedUrl: %w", err)
		}
		return nil
	case strings.HasPrefix(text, httpsScheme) || strings.HasPrefix(text, "http://"):
		if _, err := download.HostOf(text); err != nil {
			return fmt.Errorf("feedUrl: %w", err)
		}
		return nil
	}
	return errors.New("feedUrl: it is not public, and begins with neither oci:// nor https://")
}

// newUpdater makes the loop that keeps the server's feed up to date; nil where the settings name no place to take it from.
func newUpdater(config *Config, puller *image.Puller, changed func(), log logrus.FieldLogger) (*feed.Updater, error) {
	if config.FeedURL == "" {
		return nil, nil //nolint:nilnil // as the comment has it
	}
	if err := os.MkdirAll(filepath.Dir(config.Feed), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the feed: %w", err)
	}
	var (
		update feed.UpdateFunc
		err    error
	)
	switch {
	case config.FeedURL == publicFeed:
		update, err = publicUpdate(config, log)
	case strings.HasPrefix(config.FeedURL, artifact.Scheme):
		update, err = pullUpdate(config, puller, log)
	default:
		update, err = downloadUpdate(config)
	}
	if err != nil {
		return nil, err
	}
	return feed.NewUpdater(feed.UpdaterOptions{
		Index: config.Feed, Source: withoutPassword(config.FeedURL), Interval: config.FeedUpdateInterval, Update: update, Changed: changed, Log: log,
	}), nil
}

func withoutPassword(text string) string {
	to, err := url.Parse(text)
	if err != nil || to.User == nil {
		return text
	}
	to.User = nil
	return to.String()
}

// pullOptions pulls a feed by the rules for images: the same networks, mirrors, authorities, limits and credentials of the server.
func pullOptions(config *Config, puller *image.Puller, log logrus.FieldLogger) (artifact.Options, error) {
	own, err := serverKeychain(config.RegistryKeychains, log)
	if err != nil {
		return artifact.Options{}, err
	}
	hosts := func(reference string, byDigest bool) ([]artifact.Host, error) {
		found, err := puller.Hosts(reference, byDigest)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says all there is to say
		}
		out := make([]artifact.Host, len(found))
		for i, h := range found {
			out[i] = artifact.Host{Repository: h.Repository, Transport: h.Transport}
		}
		return out, nil
	}
	return artifact.Options{PlainHTTP: config.RegistryPlainHTTP, Keychain: own, Hosts: hosts}, nil
}

func pullUpdate(config *Config, puller *image.Puller, log logrus.FieldLogger) (feed.UpdateFunc, error) {
	options, err := pullOptions(config, puller, log)
	if err != nil {
		return nil, err
	}
	options.Newer = true
	return func(ctx context.Context) (advisory.Info, bool, error) {
		result, err := artifact.Pull(ctx, config.FeedURL, config.Feed, options)
		return result.Info, !result.Unchanged, err //nolint:wrapcheck // it says all there is to say
	}, nil
}

// downloadUpdate takes an index file from a web server, with the care of feed build --download.
func downloadUpdate(config *Config) (feed.UpdateFunc, error) {
	host, err := download.HostOf(config.FeedURL)
	if err != nil {
		return nil, fmt.Errorf("feedUrl: %w", err)
	}
	transport, err := image.NewTransport([]string{host}, config.DownloadCAFiles)
	if err != nil {
		return nil, fmt.Errorf("settings: downloadCaFiles: %w", err)
	}
	options := download.Options{Dir: filepath.Join(config.DownloadDir, "index"), Transport: transport, UserAgent: "runecast/" + buildVersion().Version}
	return func(ctx context.Context) (advisory.Info, bool, error) {
		file, err := download.File(ctx, options, config.FeedURL, "feed.index", func(path string) error {
			_, err := feed.Status(path)
			return err //nolint:wrapcheck // it says all there is to say
		})
		if err != nil {
			return advisory.Info{}, false, err //nolint:wrapcheck // it says all there is to say
		}
		got, err := feed.Status(file)
		if err != nil {
			return advisory.Info{}, false, err //nolint:wrapcheck // it says all there is to say
		}
		if there, failure := feed.Status(config.Feed); failure == nil && there.Revision == got.Revision {
			return there, false, nil
		}
		info, err := feed.ImportNewer(ctx, file, config.Feed, time.Now())
		return info, err == nil, err //nolint:wrapcheck // it says all there is to say
	}, nil
}
