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
			updates, err := feed.ReadUpdateState(c.config.Feed)
			if err != nil {
				return err
			}
			info, err := feed.Status(c.config.Feed)
			if err != nil {
				if updates != nil {
					err = fmt.Errorf("%w; updates from %s: %s", err, updates.Source, updates.Describe(time.Now()))
				}
				return fmt.Errorf("feed status: %w", err)
			}
			return c.printStatus(&output, &info, updates)
		},
	}
	output.add(cmd)
	return cmd
}

// feedJSON is an index's description with where it is and how old its data is.
type feedJSON struct {
	File    string            `json:"file"`
	AgeDays int               `json:"ageDays"`
	Notes   []string          `json:"notes,omitempty"`
	Updates *feed.UpdateState `json:"updates,omitempty"`
	advisory.Info
}

func (c *command) printFeed(output *outputFlag, file string, info *advisory.Info) error {
	return c.describeFeed(output, &feedJSON{File: file, Info: *info})
}

func (c *command) printStatus(output *outputFlag, info *advisory.Info, updates *feed.UpdateState) error {
	return c.describeFeed(output, &feedJSON{File: c.config.Feed, Info: *info, Updates: updates})
}

func (c *command) describeFeed(output *outputFlag, d *feedJSON) error {
	d.AgeDays = ageDays(d.Date)
	info := &d.Info
	return output.print(c.streams.Out, d, func(t *table) {
		file := d.File
		t.row("file", file)
		t.row("revision", info.Revision)
		t.row("data of", describeDate(info.Date))
		t.row("built", moment(info.Built, "unknown"))
		t.row("advisories", strconv.Itoa(info.Advisories))
		t.row("rows", strconv.Itoa(info.Rows))
		t.row("bytes", strconv.FormatInt(info.Bytes, 10))
		if d.Updates != nil {
			t.row("updated from", d.Updates.Source)
			t.row("updates", short(d.Updates.Describe(time.Now()), 85))
		}
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
