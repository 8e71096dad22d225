package app

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/controlplane"
)

func newControlplaneVerify(c *command) *cobra.Command {
	var (
		f         nodeFlags
		namespace string
	)
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say what is set on a control-plane node, and whether a review really arrives authenticated",
		Long: `Looks at the files, at the arguments of the API server's own pod, and at the token, and then has the API
server of this node create a pod, as a dry run, in a namespace that a webhook at the address guards by
token: the API server's own metrics say how the webhook answered. Nothing is changed.

Exit codes: 0 all is good; 1 something is bad; 2 an error. What could not be tried is said.`,
		Example: `  runecast controlplane verify
  runecast controlplane verify --namespace shop -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.output.check(), f.readFlavour(), f.readToken(c.streams.In)); err != nil {
				return err
			}
			n, err := f.node(c)
			if err != nil {
				return err
			}
			checks, err := n.Verify(cmd.Context(), f.options, namespace)
			if err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			if err := f.output.print(c.streams.Out, checks, func(t *table) {
				for _, check := range checks {
					for i, line := range wrap(check.Detail, 100-2-9-2-14) {
						if i > 0 {
							t.row("", "", line)
							continue
						}
						t.row(check.Outcome, shortPath(check.Name), line)
					}
				}
			}); err != nil {
				return err
			}
			for _, check := range checks {
				if check.Outcome == controlplane.CheckBad {
					return errDenied
				}
			}
			return nil
		},
	}
	f.add(cmd)
	f.addToken(cmd, ", to try in the place of the node's")
	f.addCluster(cmd)
	f.addTry(cmd)
	cmd.Flags().StringVar(&namespace, "namespace", "", "`namespace` to create the pod in (default the first that is guarded)")
	return cmd
}

// shortPath names the files of a node as people do.
func shortPath(name string) string {
	switch name {
	case controlplane.KubeconfigFile:
		return "kubeconfig"
	case controlplane.AdmissionFile:
		return "admission"
	case controlplane.ManifestFile:
		return "manifest"
	}
	return name
}

// wrap breaks a text into lines of at most so many characters, at spaces where there are any.
func wrap(text string, width int) []string {
	var lines []string
	for line := range strings.Lines(text) {
		current := ""
		for word := range strings.FieldsSeq(line) {
			if current != "" && len([]rune(current))+1+len([]rune(word)) > width {
				lines = append(lines, current)
				current = ""
			}
			current = strings.TrimSpace(current + " " + word)
		}
		lines = append(lines, current)
	}
	return lines
}

func newControlplaneRotate(c *command) *cobra.Command {
	var (
		f      nodeFlags
		secret string
		dry    bool
	)
	cmd := &cobra.Command{
		Use:   "rotate-token --secret NAMESPACE/NAME",
		Short: "Bring the API servers a new token, node by node, and revoke the old one at the end",
		Long: `Run it on each control-plane node in turn. The first run adds a new token to the Secret that the server takes
its tokens from (tokens.existingSecret of the chart). Each run waits until the webhook takes that
token, configures its node with it, and restarts its API server. The run on the last node checks that a
review arrives, and removes the old token from the Secret. Both tokens are good until then.

Exit codes: 0 done on this node; 2 an error. A run that was ended is gone on with by the next.`,
		Example: `  runecast controlplane rotate-token --secret runecast/api-tokens
  runecast controlplane rotate-token --secret runecast/api-tokens --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.output.check(), f.readFlavour()); err != nil {
				return err
			}
			n, err := f.node(c)
			if err != nil {
				return err
			}
			if f.noTry {
				return errors.New("rotate-token has to try the token: leave --no-try out")
			}
			rotate := n.Rotate
			if dry {
				rotate = n.PlanRotation
			}
			r, err := rotate(cmd.Context(), f.options, secret)
			if err != nil {
				return fmt.Errorf("rotate the token: %w", err)
			}
			return f.output.print(c.streams.Out, r, func(t *table) {
				t.row("new token", r.Key)
				t.row("old token", cmp.Or(r.Old, "-"))
				t.row("done on", cmp.Or(strings.Join(r.Nodes, ", "), "-"))
				t.row("run it on", cmp.Or(strings.Join(r.Remaining, ", "), "-"))
				switch {
				case dry:
					t.row("changed", "nothing")
				case r.Revoked:
					t.row("revoked", r.Old)
				case len(r.Remaining) == 0:
					t.row("revoked", "not: the old token is not in the Secret, see runecast token revoke")
				}
			})
		},
	}
	f.add(cmd)
	f.addCluster(cmd)
	f.addTry(cmd)
	addDryRun(cmd, &dry)
	cmd.Flags().StringVar(&secret, "secret", "", "`namespace/name` of the Secret whose keys are the server's API tokens")
	if err := cmd.MarkFlagRequired("secret"); err != nil {
		panic(err) // the flag was added above
	}
	return cmd
}
