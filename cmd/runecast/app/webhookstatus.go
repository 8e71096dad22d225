package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/webhook"
)

// guardStatus is a survey as the command shows it.
type guardStatus struct{ webhook.Survey }

func newWebhookStatus(c *command) *cobra.Command {
	var (
		access clusterFlags
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show which namespaces are guarded by which webhook and policy",
		Long: `Lists the webhooks of the cluster that call runecast, whoever made them, and for each namespace the policies
that judge its workloads, or why none does.

Exit codes: 0 shown, 2 an error. What is wrong is told by runecast webhook check.`,
		Example: "  runecast webhook status\n  runecast webhook status --context production -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			status, err := c.status(cmd.Context(), &access)
			if err != nil {
				return err
			}
			if err = output.print(c.streams.Out, status, status.tabulate); err != nil || !output.isTable() {
				return err
			}
			_, _ = fmt.Fprintln(c.streams.Out) // the next write reports what is wrong
			return printTable(c.streams.Out, status.tabulateNamespaces)
		},
	}
	access.add(cmd.Flags())
	output.add(cmd)
	return cmd
}

func (c *command) status(ctx context.Context, access *clusterFlags) (*guardStatus, error) {
	client, err := c.connect(access)
	if err != nil {
		return nil, err
	}
	configurations, err := client.Configurations(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	namespaces, err := client.Namespaces(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	survey, err := webhook.Take(configurations, namespaces)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the configuration
	}
	return &guardStatus{*survey}, nil
}

func (s *guardStatus) tabulate(t *table) {
	if len(s.Webhooks) == 0 {
		t.row("No webhook of this cluster calls runecast: nothing is judged.")
		return
	}
	t.row("CONFIGURATION", "WEBHOOK", "POLICY", "FAILURE", "GUARDS")
	for i := range s.Webhooks {
		w := &s.Webhooks[i]
		t.row(short(w.Configuration, 27), short(w.Webhook, 43), short(w.Policy, 8), w.FailurePolicy, strconv.Itoa(w.Guarded))
	}
	if len(s.Others) > 0 {
		t.row("")
		t.row(fmt.Sprintf("Configurations that call others: %d.", len(s.Others)))
	}
}

// tabulateNamespaces is a table of its own, since its columns are others.
func (s *guardStatus) tabulateNamespaces(t *table) {
	t.row("NAMESPACE", "POLICY", "FAILURE", "GUARDED BY, OR WHY NOT")
	for i := range s.Namespaces {
		n := &s.Namespaces[i]
		for _, g := range n.GuardedBy {
			t.row(short(n.Name, 30), short(g.Policy, 8), g.FailurePolicy, short(g.Webhook, 49))
		}
		if len(n.GuardedBy) == 0 {
			t.wrapped(49, short(n.Name, 30), "-", "-", strings.Join(n.Why, "; "))
		}
	}
}
