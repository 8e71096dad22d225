package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/store"
)

const maxDecisions = 1000

func newDecision(c *command) *cobra.Command {
	cmd := &cobra.Command{Use: "decision", Short: "List what was decided, and why", Args: cobra.NoArgs}
	addStoreFlags(cmd.PersistentFlags())
	cmd.AddCommand(newDecisionList(c))
	return cmd
}

func newDecisionList(c *command) *cobra.Command {
	var (
		output outputFlag
		filter store.DecisionFilter
	)
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List decisions, newest first",
		Example: "  runecast decision list --namespace shop --verdict deny\n  runecast decision list --limit 5 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Limit < 1 || filter.Limit > maxDecisions {
				return fmt.Errorf("limit %d is not from 1 to %d", filter.Limit, maxDecisions)
			}
			switch filter.Verdict {
			case "", policy.VerdictAllow, policy.VerdictDeny, policy.VerdictUnknown:
			default:
				return fmt.Errorf("verdict %q is none of allow, deny, unknown", filter.Verdict)
			}
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				decisions, _, err := s.Decisions(cmd.Context(), filter)
				if err != nil {
					return fmt.Errorf("list decisions: %w", err)
				}
				return output.print(c.streams.Out, decisions, func(t *table) {
					t.row("AT", "VERDICT", "ALLOWED", "REASON", "POLICY", "OBJECT", "IMAGES")
					for i := range decisions {
						d := &decisions[i]
						images := make([]string, 0, len(d.Images))
						for j := range d.Images {
							images = append(images, d.Images[j].Reference)
						}
						allowed := "no"
						if d.Allowed {
							allowed = "yes"
						}
						object := fmt.Sprintf("%s %s/%s", d.Kind, d.Namespace, d.Name)
						t.row(d.At.Local().Format("01-02 15:04:05"), string(d.Verdict), allowed, d.Reason, short(d.PolicyID, 8), short(object, 22), short(strings.Join(images, " "), 20))
					}
				})
			})
		},
	}
	cmd.Flags().IntVar(&filter.Limit, "limit", 20, "how many")
	cmd.Flags().StringVar(&filter.PolicyID, "policy", "", "only of this policy `id`")
	cmd.Flags().StringVar(&filter.Namespace, "namespace", "", "only in this namespace")
	cmd.Flags().StringVar((*string)(&filter.Verdict), "verdict", "", "only allow, deny or unknown")
	output.add(cmd)
	return cmd
}
