package app

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/policy"
)

func newPolicyValidate(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "validate FILE",
		Short:   "Check a file of policies, or - for standard input: every mistake is listed with its line; exit code 2 where there is one",
		Example: "  runecast policy validate policies.yaml\n  runecast policy validate - < policies.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			base, err := loadPolicies(&c.config)
			if err != nil {
				return err
			}
			set, err := validatePolicies(base, c.streams.In, args[0])
			if err != nil {
				return err
			}
			rows := []policyRow{}
			for _, p := range set.List()[len(base.List()):] {
				rows = append(rows, policyRow{ID: p.ID, Name: p.Name, Mode: p.Mode, Source: string(p.Source), Rules: len(p.Rules)})
			}
			return output.print(c.streams.Out, rows, func(t *table) {
				t.row("ID", "NAME", "MODE", "RULES")
				for _, r := range rows {
					t.row(r.ID, short(r.Name, 65), string(r.Mode), strconv.Itoa(r.Rules))
				}
				for _, warning := range set.Warnings(time.Now()) {
					t.row("warning: " + warning)
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

// validatePolicies adds the policies of a file, or of standard input, to a set.
func validatePolicies(base *policy.Set, in io.Reader, name string) (set *policy.Set, err error) {
	if name == "-" {
		if set, err = base.Load(in, "standard input"); err != nil {
			return nil, fmt.Errorf("policies of standard input: %w", err)
		}
		return set, nil
	}
	return loadPolicyFile(base, name)
}
