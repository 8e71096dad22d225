package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/controlplane"
)

func newControlplanePlan(c *command) *cobra.Command {
	var f nodeFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what the files of a control-plane node need, and change nothing",
		Long: `Reads the files of a control-plane node and shows, as a unified diff, what they need for the API
server to authenticate to the webhook: a kubeconfig with the token, an admission configuration (the
plugins of one that is in use are kept), and a flag of the API server: with kubeadm in the static
pod's manifest, with a volume and its mount; with K3s and RKE2 in their config.yaml, or in the
drop-in whose settings count. It changes nothing, and shows no token.

Exit codes: 0 shown, also where nothing is to be done; 2 an error.`,
		Example: `  runecast controlplane plan
  runecast controlplane plan --token-file token.txt --address runecast-nginx.runecast.svc:9080
  runecast controlplane plan --root /mnt/node -o json
  runecast controlplane plan --flavour rke2`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return f.plan(c) },
	}
	f.add(cmd)
	f.addToken(cmd, ", to compare with the node's (default any token will do)")
	return cmd
}

func (f *nodeFlags) plan(c *command) error {
	if err := errors.Join(f.output.check(), f.readFlavour(), f.readToken(c.streams.In)); err != nil {
		return err
	}
	plan, err := controlplane.Make(f.options)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	if !f.output.isTable() {
		return f.output.print(c.streams.Out, plan, nil)
	}
	end := "Nothing was changed. Carrying it out restarts the API server: runecast controlplane configure.\n"
	if plan.Service != "" {
		end = "Nothing was changed. Carry it out with runecast controlplane configure, and then restart the API server,\n" +
			"one node at a time: systemctl restart " + plan.Service + ".\n"
	}
	if plan.Done {
		end = "Nothing is to be done: this node is set up.\n"
	}
	return printFiles(c.streams.Out, plan, end)
}

func newControlplaneConfigure(c *command) *cobra.Command {
	var (
		f   nodeFlags
		dry bool
	)
	cmd := &cobra.Command{
		Use:   "configure --token-file FILE",
		Short: "Set a control-plane node up; where its API server does not come back, all is put back",
		Long: `Carries out what plan shows, on one control-plane node; run it as root on each in turn. In this order:

  1. tries the token: sends the webhook a review, as the API server will
  2. keeps copies of the files in /etc/kubernetes/runecast-backup
  3. writes the kubeconfig (0600), the admission configuration, and the manifest last, each at once
  4. waits until the API server is ready and its own pod has the flag

The API server of K3s and RKE2 is part of a service that you restart: step 4 is yours there.

Where step 3 or 4 fails it puts back what was there, waits for the API server again, and says why.
A run that was ended is finished or undone by the next. A second run changes nothing.

Exit codes: 0 set up; 2 an error, and the node is as it was unless the text says otherwise.`,
		Example: `  runecast controlplane configure --token-file token.txt
  runecast controlplane configure --token-file token.txt --dry-run
  runecast controlplane configure --token-file - --address runecast.example.com:443 --ca-file ca.crt
  runecast controlplane configure --token-file token.txt --root /mnt/node --no-wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dry {
				return f.plan(c)
			}
			if err := errors.Join(f.output.check(), f.readFlavour(), f.readToken(c.streams.In)); err != nil {
				return err
			}
			n, err := f.node(c)
			if err != nil {
				return err
			}
			plan, err := n.Configure(cmd.Context(), f.options)
			if err != nil {
				return fmt.Errorf("configure: %w", err)
			}
			if !f.output.isTable() {
				return f.output.print(c.streams.Out, plan, nil)
			}
			switch {
			case plan.Done:
				return printFiles(c.streams.Out, plan, "Nothing is to be done: this node is set up.\n")
			case plan.Service != "":
				return printFiles(c.streams.Out, plan, restartText(plan.Service))
			}
			return printFiles(c.streams.Out, plan, "This node is set up. See whether a review arrives: runecast controlplane verify.\n")
		},
	}
	f.add(cmd)
	f.addToken(cmd, " (default the token that the node has)")
	f.addCluster(cmd)
	f.addTry(cmd)
	addDryRun(cmd, &dry)
	return cmd
}

// restartText says what is left to do where the API server is part of a service.
func restartText(service string) string {
	return "The files are written; the API server reads them when it starts: systemctl restart " + service + ".\n" +
		"Where it does not come back: runecast controlplane restore --no-wait, and restart it again.\n"
}

func addDryRun(cmd *cobra.Command, dry *bool) {
	cmd.Flags().BoolVar(dry, "dry-run", false, "show what would be done, and change nothing")
}

func newControlplaneRestore(c *command) *cobra.Command {
	var (
		f   nodeFlags
		dry bool
	)
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Undo configure: the files get the bytes that they had",
		Long: `Puts the manifest back, waits until the API server runs without the flag, and then removes the kubeconfig
and the admission configuration, or puts back what was there. A manifest that was changed in other
places since, as by an upgrade, loses only what configure put in.

Exit codes: 0 undone, or nothing was to be undone; 2 an error.`,
		Example: `  runecast controlplane restore --dry-run
  runecast controlplane restore`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.output.check(), f.readFlavour()); err != nil {
				return err
			}
			f.noTry, f.noCluster = true, f.noCluster || dry
			n, err := f.node(c)
			if err != nil {
				return err
			}
			plan, err := n.Restore(cmd.Context(), dry)
			end := "The files are as they were before runecast.\n"
			switch {
			case errors.Is(err, controlplane.ErrNotConfigured):
				plan, end = &controlplane.Plan{Done: true}, notConfigured
			case err != nil:
				return fmt.Errorf("restore: %w", err)
			case dry:
				end = "Nothing was changed.\n"
			case plan.Service != "":
				end += "The API server goes on with what it read when it started: systemctl restart " + plan.Service + ".\n"
			}
			if !f.output.isTable() {
				return f.output.print(c.streams.Out, plan, nil)
			}
			return printFiles(c.streams.Out, plan, end)
		},
	}
	f.add(cmd)
	f.addCluster(cmd)
	addDryRun(cmd, &dry)
	return cmd
}
