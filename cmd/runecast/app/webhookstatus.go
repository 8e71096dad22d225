package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/webhook"
)

// guardStatus is who is guarded by what in a cluster.
type guardStatus struct {
	Webhooks   []webhookStatus   `json:"webhooks"`
	Namespaces []namespaceStatus `json:"namespaces"`
	Others     []string          `json:"others"` // configurations whose webhooks call somebody else
}

type webhookStatus struct {
	Configuration  string   `json:"configuration"`
	Webhook        string   `json:"webhook"`
	Policy         string   `json:"policy"`
	Target         string   `json:"target"`
	FailurePolicy  string   `json:"failurePolicy"`
	TimeoutSeconds int32    `json:"timeoutSeconds"`
	Managers       []string `json:"managers"`
	Guarded        int      `json:"guarded"` // namespaces
}

type namespaceStatus struct {
	Name      string    `json:"name"`
	GuardedBy []guarded `json:"guardedBy"`
	Why       []string  `json:"why,omitempty"` // it is not guarded, a reason for each webhook that leaves it alone
}

type guarded struct {
	Configuration string `json:"configuration"`
	Webhook       string `json:"webhook"`
	Policy        string `json:"policy"`
	FailurePolicy string `json:"failurePolicy"`
}

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
	status := &guardStatus{Webhooks: []webhookStatus{}, Namespaces: make([]namespaceStatus, len(namespaces)), Others: []string{}}
	for i := range namespaces {
		status.Namespaces[i] = namespaceStatus{Name: namespaces[i].Name, GuardedBy: []guarded{}}
	}
	for i := range configurations {
		if err := status.add(&configurations[i], namespaces); err != nil {
			return nil, err
		}
	}
	return status, nil
}

// because notes why a webhook leaves the namespace alone, the strongest reason first.
func (n *namespaceStatus) because(why string) {
	switch {
	case slices.Contains(n.Why, why):
	case why == webhook.ExcludedByName:
		n.Why = slices.Insert(n.Why, 0, why)
	default:
		n.Why = append(n.Why, why)
	}
}

// add counts a configuration in.
func (s *guardStatus) add(configuration *webhook.Configuration, namespaces []webhook.Namespace) error {
	managers, err := webhook.Managers(configuration)
	if err != nil {
		return err //nolint:wrapcheck // it names the configuration
	}
	ours := false
	for i := range configuration.Webhooks {
		w := &configuration.Webhooks[i]
		target, calls := webhook.Review(configuration, w)
		if !calls {
			continue
		}
		ours = true
		row := webhookStatus{
			Configuration: configuration.Name, Webhook: w.Name, Policy: target.Policy, Target: target.String(),
			FailurePolicy: webhook.FailurePolicy(w), Managers: managers,
		}
		if w.TimeoutSeconds != nil {
			row.TimeoutSeconds = *w.TimeoutSeconds
		}
		for j := range namespaces {
			selected, why, err := webhook.Selects(w, namespaces[j])
			if err != nil {
				return fmt.Errorf("%s: %w", configuration.Name, err)
			}
			n := &s.Namespaces[j]
			if selected {
				row.Guarded++
				n.GuardedBy = append(n.GuardedBy, guarded{configuration.Name, w.Name, target.Policy, row.FailurePolicy})
			} else {
				n.because(why)
			}
		}
		s.Webhooks = append(s.Webhooks, row)
	}
	if !ours {
		s.Others = append(s.Others, configuration.Name)
	}
	return nil
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
