package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/download"
	"github.com/runecast/runecast/pkg/image"
)

// buildFlags are the flags of feed build that are no settings.
type buildFlags struct {
	sources  feed.Sources
	target   string
	download bool
}

func newFeedBuild(c *command) *cobra.Command {
	var b buildFlags
	cmd := &cobra.Command{
		Use:   "build {--download | --osv DIR}",
		Short: "Build the index from public vulnerability data, downloaded or in files",
		Long: `Builds the index from the OSV project's exports and rates what they do not rate by NVD and CVE
records. An image with packages of an ecosystem that is not in the index is not judged, and so denied
by default.

With --download the data comes from the public places, or from mirrors (--osv-url and the like), into
--download-dir. The next run transfers only what has changed, and a download that was cut goes on. When
OSV's data cannot be had, nothing is built and the index in place stays; ratings that cannot be had are
those of the last run, which is said. Without it the data is in files: <DIR>/<Ecosystem>/all.zip.`,
		Example: `  runecast feed build --download
  runecast feed build --download --download-ecosystems Debian,Alpine,Go --download-sources osv,kev
  runecast feed build --download --osv-url https://mirror.example.com/osv
  runecast feed build --osv feeds/osv --nvd nvdcve-2.0.json.gz --cve cve5.zip \
    --kev known_exploited_vulnerabilities.json --epss epss_scores.csv.gz -o feed.index`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if b.target == "" {
				b.target = c.config.Feed
			}
			return c.buildFeed(cmd.Context(), &b)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&b.download, "download", false, "download the data first")
	flags.StringVar(&b.sources.OSVDir, "osv", "", "`directory` with <Ecosystem>/all.zip as OSV exports them")
	flags.StringSliceVar(&b.sources.NVD, "nvd", nil, "NVD JSON 2.0 `files`, plain or gzip")
	flags.StringSliceVar(&b.sources.CVE, "cve", nil, "zip `files` of CVE JSON 5 records")
	flags.StringVar(&b.sources.KEV, "kev", "", "CISA's known exploited vulnerabilities, a JSON `file`")
	flags.StringVar(&b.sources.EPSS, "epss", "", "EPSS scores, a CSV `file`, plain or gzip")
	flags.StringVarP(&b.target, "output", "o", "", "index `file` to write (default feed.index in the data directory)")
	addDownloadFlags(flags)
	cmd.MarkFlagsOneRequired("download", "osv")
	for _, file := range []string{"osv", "nvd", "cve", "kev", "epss"} {
		cmd.MarkFlagsMutuallyExclusive("download", file)
	}
	return cmd
}

func addDownloadFlags(flags *pflag.FlagSet) {
	flags.String("download-dir", "", "`directory` of the downloaded files (default download in the data directory)")
	flags.StringSlice("download-sources", nil, "`sources` to download: osv, nvd, cve, epss, kev (default all)")
	flags.StringSlice("download-ecosystems", nil, "OSV's `ecosystems` to download, such as Debian,PyPI (default all that images' packages are read of)")
	flags.StringSlice("download-ca-files", nil, "PEM `files` of authorities that are believed beside the system's")
	flags.String("osv-url", "", "base `URL` of OSV's exports: ecosystems.txt, <Ecosystem>/all.zip, … (default the public place)")
	flags.String("nvd-url", "", "base `URL` of NVD's JSON 2.0 feeds (default the public place)")
	flags.String("cve-url", "", "`URL` of a zip of CVE JSON 5 records (default the CVE Program's list)")
	flags.String("epss-url", "", "`URL` of EPSS scores, CSV by gzip (default the public place)")
	flags.String("kev-url", "", "`URL` of CISA's known exploited vulnerabilities (default the public place)")
}

// buildFeed builds the index, after downloading its data where that is asked for.
func (c *command) buildFeed(ctx context.Context, b *buildFlags) (err error) {
	bars := newStageBars(c.streams.Err)
	defer bars.finish()
	var notes []string
	if b.download {
		got, failure := c.download(ctx, bars)
		if failure != nil {
			return failure
		}
		defer func() { _ = got.Release() }() // nothing is lost with it
		b.sources, notes = got.Sources, got.Notes
	}
	info, err := feed.Build(ctx, b.sources, b.target, bars.progress)
	bars.finish()
	if err != nil {
		return fmt.Errorf("build the feed: %w", err)
	}
	for _, note := range notes {
		_, _ = fmt.Fprintf(c.streams.Err, "warning: %s\n", note) // where stderr is gone there is nobody to tell
	}
	return c.describeFeed(&outputFlag{}, &feedJSON{File: b.target, Notes: notes, Info: info})
}

func (c *command) download(ctx context.Context, bars *stageBars) (*download.Result, error) {
	options, err := downloadOptions(&c.config)
	if err != nil {
		return nil, err
	}
	options.Progress, options.Log = bars.progress, c.log
	got, err := download.Run(ctx, options)
	return got, ended(ctx, err)
}

// downloadOptions says where the public data is and what may be asked for it: public addresses, and the hosts of the settings' URLs.
func downloadOptions(config *Config) (download.Options, error) {
	urls := download.URLs{OSV: config.OSVURL, NVD: config.NVDURL, CVE: config.CVEURL, EPSS: config.EPSSURL, KEV: config.KEVURL}
	hosts, err := urls.Hosts()
	if err != nil {
		return download.Options{}, fmt.Errorf("settings: %w", err)
	}
	transport, err := image.NewTransport(hosts, config.DownloadCAFiles)
	if err != nil {
		return download.Options{}, fmt.Errorf("settings: downloadCaFiles: %w", err)
	}
	return download.Options{
		Dir: config.DownloadDir, URLs: urls, Sources: config.DownloadSources, Ecosystems: config.DownloadEcosystems,
		Transport: transport, UserAgent: "runecast/" + buildVersion().Version,
	}, nil
}
