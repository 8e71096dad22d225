package app

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/webhook"
)

func newWebhookGenerate(c *command) *cobra.Command {
	var (
		flags  specFlags
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "generate --policy ID (--url URL | --service NAMESPACE/NAME:PORT)",
		Short: "Write the configuration that has the API server ask about workloads",
		Long: `Writes a ValidatingWebhookConfiguration as YAML, one webhook for each policy. The same flags give the
same bytes. kube-system and the namespace of the server are never guarded.

Namespaces are guarded by their label ` + webhook.PolicyLabel + `=ID, or by --namespace-label, or
all of them with --all-namespaces. With several policies give a label for each, in their order, or
one with {policy} in it; labels joined by a comma must all be there.

The API server authenticates with the token that it has for the webhook's host and port (runecast
controlplane plan), or, on any cluster, with the review key in the path: the output is a secret then.

What works and may surprise is told on standard error.

Exit codes: 0 written, 2 an error.`,
		Example: `  runecast webhook generate --policy 2 --service runecast/runecast-nginx:9080 --ca-from-cluster
  runecast webhook generate --policy 2 --url https://runecast.domain.local --ca-file ca.crt
  runecast webhook generate --policy 2 --policy 5 --namespace-label team=shop --namespace-label team=lab \
    --service runecast/runecast-nginx:9080 --ca-file ca.crt --review-key-file key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			spec, err := flags.read(cmd, c)
			if err != nil {
				return err
			}
			configuration, warnings, err := webhook.Generate(spec, time.Now())
			if err != nil {
				return fmt.Errorf("generate: %w", err)
			}
			c.warn(warnings)
			if output.format == outputJSON {
				return output.print(c.streams.Out, configuration, nil)
			}
			text, err := webhook.Encode(configuration)
			if err != nil {
				return err //nolint:wrapcheck // it says what failed
			}
			if _, err = c.streams.Out.Write(text); err != nil {
				return fmt.Errorf("write the configuration: %w", err)
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd, "yaml")
	cmd.Flags().Lookup("output").Usage = "output `format`: json, or nothing for YAML"
	return cmd
}
