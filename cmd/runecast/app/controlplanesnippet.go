package app

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/controlplane"
)

func newControlplaneSnippet(c *command) *cobra.Command {
	var flavour, address, policy string
	cmd := &cobra.Command{
		Use:   "snippet --flavour FLAVOUR",
		Short: "Print what to put where, for clusters whose control planes are made from a configuration",
		Long: `Prints what makes an API server authenticate to the webhook where its files are made from a
configuration, so that a change of them by hand would not last:

  kubeadm          the ClusterConfiguration, so that kubeadm upgrade keeps the flag
  kind             the cluster's file
  capi             the KubeadmControlPlane of Cluster API
  kops             the cluster's spec
  talos            a patch of the machine configuration
  managed          EKS, GKE, AKS and the like: why that cannot be, and the way without (also eks,
                   gke, aks)

On nodes of kubeadm, K3s and RKE2 see runecast controlplane plan. Nothing is changed, and the token
is a placeholder. Each but managed is YAML that says in its comments what to do with it.

Exit codes: 0 printed; 2 an error.`,
		Example: `  runecast controlplane snippet --flavour talos > runecast.yaml
  runecast controlplane snippet --flavour capi --address runecast.example.com:443 --policy 5
  runecast controlplane snippet --flavour eks`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := controlplane.Snippet(flavour, address, policy)
			if err != nil {
				return fmt.Errorf("snippet: %w", err)
			}
			if _, err := io.WriteString(c.streams.Out, text); err != nil {
				return fmt.Errorf("write the snippet: %w", err)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&flavour, "flavour", "", strings.Join(controlplane.SnippetFlavours(), ", "))
	flags.StringVar(&address, "address", defaultAddress, "`host:port` of the webhook, as its configuration names it")
	flags.StringVar(&policy, "policy", "2", "`id` of the policy that the webhook applies")
	return cmd
}
