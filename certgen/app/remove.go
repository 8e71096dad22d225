package app

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/job"
)

func newRemove(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Delete the webhook configuration, then the Secrets that certgen made",
		Long: `Deletes the chart's webhook configuration first, so that no workload is refused while the
rest goes, and then the Secrets that certgen made. It is for a hook before an uninstall.
Secrets of others and webhook configurations made by hand stay; the log names those that
would still call this release.`,
		Example: `  certgen remove --namespace runecast --webhook-configuration runecast-admission`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := c.restConfig()
			if err != nil {
				return err
			}
			client, err := cluster.New(config, c.options.cluster())
			if err != nil {
				return err //nolint:wrapcheck // it says what failed
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), c.options.timeout)
			defer cancel()
			removal := job.Removal{Configuration: c.options.configuration, Secrets: c.options.made(), Clock: job.RealClock{}, Log: c.log}
			if err := removal.Remove(ctx, client); err != nil {
				return fmt.Errorf("certgen remove: %w", err)
			}
			return nil
		},
	}
}
