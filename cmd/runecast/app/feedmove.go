package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/advisory"
	"github.com/runecast/runecast/pkg/feed"
	"github.com/runecast/runecast/pkg/feed/artifact"
	"github.com/runecast/runecast/pkg/image"
)

func newFeedExport(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "export FILE",
		Short:   "Check the index and write a copy of it to a file, for 'feed import' elsewhere",
		Example: "  runecast feed export /media/usb/feed.index",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := feed.Import(cmd.Context(), c.config.Feed, args[0])
			if err != nil {
				return fmt.Errorf("export the feed: %w", err)
			}
			return c.printFeed(&output, args[0], &info)
		},
	}
	output.add(cmd)
	return cmd
}

const registryHelp = `The credentials are those of the Docker configuration (docker login). A registry without TLS is asked
only where --registry-plain-http names it or it is on a loopback address.`

func newFeedPush(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "push oci://REGISTRY/REPOSITORY:TAG",
		Short: "Check the index and put it into a registry",
		Long:  "Puts the index into a registry as an OCI artifact, for 'feed pull' elsewhere.\n\n" + registryHelp,
		Example: `  runecast feed push oci://registry.example.com/runecast/feed:latest
  runecast feed push --feed feed.index oci://localhost:5000/feed:2026-11-24 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, bars := c.artifactOptions()
			result, err := artifact.Push(cmd.Context(), c.config.Feed, args[0], options)
			bars.finish()
			if err != nil {
				return err
			}
			return c.printMoved(&output, &result)
		},
	}
	addPlainHTTPFlag(cmd)
	output.add(cmd)
	return cmd
}

func newFeedPull(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "pull oci://REGISTRY/REPOSITORY:TAG",
		Short: "Get the index from a registry, check it and put it in place",
		Long: `Gets an index that 'feed push' put into a registry. It is verified and replaces the one in place as a
whole; when anything goes wrong that one stays. Where it is the registry's index already, nothing is done.
Registries, their mirrors and credentials are those of 'runecast scan'.`,
		Example: `  runecast feed pull oci://registry.example.com/runecast/feed:latest
  runecast feed pull oci://localhost:5000/feed@sha256:… -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			own := c.config
			if len(own.RegistryAllowNetworks) == 0 { // whoever runs a command is on the machine already
				own.RegistryAllowNetworks = image.LocalNetworks()
			}
			puller, err := newPuller(&own, c.log)
			if err != nil {
				return err
			}
			bars := newStageBars(c.streams.Err)
			options, err := pullOptions(&own, puller, c.log)
			if err != nil {
				return err
			}
			options.Progress = bars.progress
			result, err := artifact.Pull(cmd.Context(), args[0], c.config.Feed, options)
			bars.finish()
			if err != nil {
				return err
			}
			return c.printMoved(&output, &result)
		},
	}
	addRegistryFlags(cmd.Flags())
	output.add(cmd)
	return cmd
}

func addPlainHTTPFlag(cmd *cobra.Command) {
	cmd.Flags().StringSlice("registry-plain-http", nil, "registries, as `host:port`, that are asked without TLS")
}

func (c *command) artifactOptions() (artifact.Options, *stageBars) {
	bars := newStageBars(c.streams.Err)
	return artifact.Options{PlainHTTP: c.config.RegistryPlainHTTP, Progress: bars.progress}, bars
}

// movedJSON is what a push or a pull did.
type movedJSON struct {
	Reference string        `json:"reference"`
	Digest    string        `json:"digest"`
	Unchanged bool          `json:"unchanged"`
	File      string        `json:"file"`
	AgeDays   int           `json:"ageDays"`
	Feed      advisory.Info `json:"feed"`
}

func (c *command) printMoved(output *outputFlag, r *artifact.Result) error {
	value := movedJSON{
		Reference: r.Reference, Digest: r.Digest, Unchanged: r.Unchanged, File: c.config.Feed, AgeDays: ageDays(r.Info.Date), Feed: r.Info,
	}
	return output.print(c.streams.Out, value, func(t *table) {
		t.row("reference", r.Reference)
		t.row("digest", r.Digest)
		t.row("file", c.config.Feed)
		t.row("revision", r.Info.Revision)
		t.row("data of", describeDate(r.Info.Date))
		if r.Unchanged {
			t.row("unchanged", "the index in place is this one; nothing was done")
		}
	})
}
