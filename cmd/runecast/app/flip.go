package app

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/store"
)

const maxFlips = 1000

func newFlip(c *command) *cobra.Command {
	cmd := &cobra.Command{Use: "flip", Short: "List the verdicts that a new feed changed", Args: cobra.NoArgs}
	addStoreFlags(cmd.PersistentFlags())
	cmd.AddCommand(newFlipList(c))
	return cmd
}

func newFlipList(c *command) *cobra.Command {
	var (
		output   outputFlag
		limit    int
		policyID string
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List flips, newest first",
		Long: `Lists the images that were judged before and that a new feed gives another verdict, without
a pull: a server matches what it knows of them whenever its vulnerability data change.`,
		Example: "  runecast flip list --policy 2\n  runecast flip list --limit 5 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxFlips {
				return fmt.Errorf("limit %d is not from 1 to %d", limit, maxFlips)
			}
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				flips, err := s.Flips(cmd.Context(), policyID, limit)
				if err != nil {
					return err //nolint:wrapcheck // it says all there is to say
				}
				return output.print(c.streams.Out, flips, func(t *table) {
					t.row("AT", "POLICY", "FROM", "TO", "CAUSE", "IMAGE")
					for i := range flips {
						f := &flips[i]
						cause := "-"
						if len(f.Causes) > 0 {
							cause = f.Causes[0].ID
						}
						t.row(f.At.Local().Format("01-02 15:04:05"), short(f.PolicyID, 8), string(f.From), string(f.To), short(cause, 20), short(f.Reference, 30))
					}
				})
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many")
	cmd.Flags().StringVar(&policyID, "policy", "", "only of this policy `id`")
	output.add(cmd)
	return cmd
}
