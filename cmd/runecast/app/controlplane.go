package app

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/controlplane"
)

func newControlplane(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "controlplane",
		Short: "See what a control-plane node needs to authenticate to the webhook",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newControlplanePlan(c))
	return cmd
}

func newControlplanePlan(c *command) *cobra.Command {
	var (
		options   controlplane.Options
		tokenFile string
		output    outputFlag
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what the files of a kubeadm control-plane node need, and change nothing",
		Long: `Reads the files of a kubeadm control-plane node and shows, as a unified diff, what they need for the
API server to authenticate to the webhook: a kubeconfig with the token, an admission configuration
(the plugins of one that is in use are kept), and in the static pod's manifest a flag, a volume and
its mount. It changes nothing, and shows no token.

Carry the change out by hand, on every control-plane node: the kubeconfig with mode 0600 and your
token in the place of "(not shown)", and the manifest last, since saving it restarts
the API server. Keep a copy of it outside the manifests folder, all of whose files the kubelet reads.

Exit codes: 0 shown, also where nothing is to be done; 2 an error.`,
		Example: `  runecast controlplane plan
  runecast controlplane plan --token-file token.txt --address runecast-nginx.runecast.svc:9080
  runecast controlplane plan --root /mnt/node -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if tokenFile != "" {
				token, err := readSecret(tokenFile)
				if err != nil {
					return err
				}
				if token == "" {
					return errors.New("the token file is empty")
				}
				options.Token = token
			}
			plan, err := controlplane.Make(options)
			if err != nil {
				return fmt.Errorf("plan: %w", err)
			}
			if !output.isTable() {
				return output.print(c.streams.Out, plan, nil)
			}
			return printPlan(c.streams.Out, plan)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.Root, "root", "/", "`folder` that the node's file system is mounted at")
	flags.StringVar(&options.Address, "address", "runecast-nginx.runecast.svc:9080", "`host:port` of the webhook, as its configuration names it")
	flags.StringVar(&tokenFile, "token-file", "", "`file` with the API token, to compare with the node's (default any token will do)")
	output.add(cmd)
	return cmd
}

// printPlan shows a plan to a person.
func printPlan(w io.Writer, plan *controlplane.Plan) error {
	var b strings.Builder
	for i := range plan.Files {
		for line := range strings.Lines(plan.Files[i].Diff) {
			b.WriteString(printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")) + "\n")
		}
	}
	text := b.String()
	switch {
	case plan.Done:
		text = "Nothing is to be done: this node is set up.\n"
	case plan.Restarts:
		text += "\nNothing was changed. Saving the manifest restarts the API server.\n"
	default:
		text += "\nNothing was changed. The API server reads these files when it starts: restart it afterwards.\n"
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}
