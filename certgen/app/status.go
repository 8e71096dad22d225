package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/plan"
)

const (
	outputJSON  = "json"
	outputTable = "table"
)

func newStatus(c *command) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how certificates, rotations and webhook configurations stand",
		Long: `Says how certificates, rotations and webhook configurations stand, and what a run of
reconcile would do next. It writes nothing and shows no key.

Exit codes: 0 in order, 1 something is due or wrong, 2 an error.`,
		Example: `  certgen status --webhook-configuration runecast-validating-webhook
  certgen status --webhook-configuration runecast-validating-webhook -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != outputJSON && output != outputTable {
				return fmt.Errorf("output format %q is not known: use json, or leave -o out for a table", output)
			}
			runner, err := c.runner(plan.Scope{})
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), c.options.timeout)
			defer cancel()
			world, err := runner.Cluster.Look(ctx)
			if err != nil {
				return fmt.Errorf("certgen status: %w", err)
			}
			status := job.Describe(&runner.Options, world, time.Now())
			if err := c.printStatus(&status, output); err != nil {
				return fmt.Errorf("print the status: %w", err)
			}
			if status.Due || len(status.Problems) > 0 {
				return errDue
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "output `format`: json, or nothing for a table")
	return cmd
}

func (c *command) printStatus(s *job.Status, output string) error {
	if output == outputJSON {
		encoder := json.NewEncoder(c.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(s) //nolint:wrapcheck // the caller does
	}
	t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) {
		_, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) // Flush tells of an error
	}
	row("CERTIFICATE", "SUBJECT", "ENDS", "RENEWED FROM")
	for i := range s.Certificates {
		k := &s.Certificates[i]
		row(k.Name, k.Subject, k.NotAfter.UTC().Format(time.DateOnly), k.RenewsAt.UTC().Format(time.DateOnly))
	}
	row()
	row("CONFIGURATION", "WEBHOOK", "CABUNDLE")
	for i := range s.Webhooks {
		w := &s.Webhooks[i]
		cells := []string{short(w.Configuration), short(w.Webhook), ""}
		for j, root := range w.CABundle { // each on a line of its own, as in a rotation there are two
			if j > 0 {
				row(cells...)
				cells[0], cells[1] = "", ""
			}
			cells[2] = root
		}
		row(cells...)
	}
	row()
	row("rotation of the CA", s.Phase)
	row("rotation of the key", s.KeyPhase)
	if s.Endpoints != "" {
		row("endpoints", s.Endpoints)
	}
	if s.Next != "" {
		row("next", s.Next)
	}
	for _, p := range s.Problems {
		row("problem", p)
	}
	return t.Flush() //nolint:wrapcheck // the caller does
}

// short cuts a name so that a table keeps within 100 columns.
func short(name string) string {
	const most = 34
	if len(name) <= most {
		return name
	}
	return name[:most-1] + "…"
}
