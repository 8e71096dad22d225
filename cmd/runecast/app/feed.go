package app

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
)

func newFeed(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "feed",
		Short: "Build, move and describe the vulnerability data",
		Long: `The feed is one file, the index, made from public vulnerability data. A running server
takes a new index over as soon as it is there; a damaged one is refused and the old one stays.`,
		Args: cobra.NoArgs,
	}
	addFeedFlags(cmd.PersistentFlags())
	cmd.AddCommand(newFeedBuild(c), newFeedImport(c), newFeedExport(c), newFeedPush(c), newFeedPull(c), newFeedStatus(c))
	return cmd
}

func newFeedBuild(c *command) *cobra.Command {
	var (
		sources feed.Sources
		target  string
	)
	cmd := &cobra.Command{
		Use:   "build --osv DIR",
		Short: "Build the index from files of public vulnerability data",
		Long: `Builds the index from the OSV project's exports, <DIR>/<Ecosystem>/all.zip, and rates what
they do not rate by NVD and CVE records. An image with packages of an ecosystem that is not in the
index is not judged, and so denied by default: give every ecosystem that your images have.`,
		Example: `  runecast feed build --osv feeds/osv
  runecast feed build --osv feeds/osv --nvd nvdcve-2.0.json.gz --cve cve5.zip \
    --kev known_exploited_vulnerabilities.json --epss epss_scores.csv.gz -o feed.index`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if target == "" {
				target = c.config.Feed
			}
			bars := newStageBars(c.streams.Err)
			info, err := feed.Build(cmd.Context(), sources, target, bars.progress)
			bars.finish()
			if err != nil {
				return fmt.Errorf("build the feed: %w", err)
			}
			return c.printFeed(&outputFlag{}, target, &info)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&sources.OSVDir, "osv", "", "`directory` with <Ecosystem>/all.zip as OSV exports them")
	flags.StringSliceVar(&sources.NVD, "nvd", nil, "NVD JSON 2.0 `files`, plain or gzip")
	flags.StringSliceVar(&sources.CVE, "cve", nil, "zip `files` of CVE JSON 5 records")
	flags.StringVar(&sources.KEV, "kev", "", "CISA's known exploited vulnerabilities, a JSON `file`")
	flags.StringVar(&sources.EPSS, "epss", "", "EPSS scores, a CSV `file`, plain or gzip")
	flags.StringVarP(&target, "output", "o", "", "index `file` to write (default feed.index in the data directory)")
	if err := cmd.MarkFlagRequired("osv"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}

func newFeedImport(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Check an index that was built elsewhere and put it in place",
		Example: "  runecast feed import /media/usb/feed.index",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := feed.Import(cmd.Context(), args[0], c.config.Feed)
			if err != nil {
				return fmt.Errorf("import the feed: %w", err)
			}
			return c.printFeed(&output, c.config.Feed, &info)
		},
	}
	output.add(cmd)
	return cmd
}

func newFeedStatus(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Describe the index: its date, sources and what it covers",
		Example: "  runecast feed status\n  runecast feed status -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			info, err := feed.Status(c.config.Feed)
			if err != nil {
				return fmt.Errorf("feed status: %w", err)
			}
			return c.printFeed(&output, c.config.Feed, &info)
		},
	}
	output.add(cmd)
	return cmd
}

// feedJSON is an index's description with where it is and how old its data is.
type feedJSON struct {
	File    string `json:"file"`
	AgeDays int    `json:"ageDays"`
	advisory.Info
}

func (c *command) printFeed(output *outputFlag, file string, info *advisory.Info) error {
	return output.print(c.streams.Out, feedJSON{File: file, AgeDays: ageDays(info.Date), Info: *info}, func(t *table) {
		t.row("file", file)
		t.row("revision", info.Revision)
		t.row("data of", describeDate(info.Date))
		t.row("built", moment(info.Built, "unknown"))
		t.row("advisories", strconv.Itoa(info.Advisories))
		t.row("rows", strconv.Itoa(info.Rows))
		t.row("bytes", strconv.FormatInt(info.Bytes, 10))
		t.row("")
		t.row("SOURCE", "FILE", "RECORDS", "USED", "NEWEST")
		for _, s := range info.Sources {
			t.row(s.Name, short(s.File, 40), strconv.Itoa(s.Records), strconv.Itoa(s.Used), day(s.Modified))
		}
		t.row("")
		t.row("ECOSYSTEM", "PACKAGES", "ROWS")
		for _, e := range info.Ecosystems {
			t.row(e.Ecosystem, strconv.Itoa(e.Packages), strconv.Itoa(e.Rows))
		}
	})
}

func ageDays(date time.Time) int { return int(time.Since(date).Hours() / 24) }

// describeDate gives a feed's date with its age, so that nobody has to do the sum.
func describeDate(date time.Time) string {
	return fmt.Sprintf("%s, %d days old", date.UTC().Format(time.DateOnly), ageDays(date))
}

// sourceLines lists a feed's sources with their records, a few to a line.
func sourceLines(info *advisory.Info) []string {
	const width = 85
	var lines []string
	line := fmt.Sprintf("%d advisories", info.Advisories)
	for _, s := range info.Sources {
		part := fmt.Sprintf(", %s %d", s.Name, s.Records)
		if len(line)+len(part) > width {
			lines = append(lines, line+",")
			line, part = "", part[2:]
		}
		line += part
	}
	return append(lines, line)
}
