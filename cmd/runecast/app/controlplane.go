package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runecast/runecast/pkg/controlplane"
)

const (
	flavourAuto    = "auto"
	defaultAddress = "runecast-nginx.runecast.svc:9080"
	notConfigured  = "Nothing is to be done: runecast has changed no file of this node.\n"
)

func newControlplane(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "controlplane",
		Short: "Set a control-plane node up so that its API server authenticates to the webhook",
		Long: `Sets up what an API server needs to send its reviews with an API token: on each control-plane node a
kubeconfig with the token, an admission configuration, and in the static pod's manifest a flag, a
volume and its mount. Run it on the node as root: plan, configure, verify.

A stock cluster needs none of this: with admission.auth=key, the chart's default, the credential is
in the webhook's path.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newControlplanePlan(c), newControlplaneConfigure(c), newControlplaneVerify(c), newControlplaneRestore(c), newControlplaneRotate(c), newControlplaneSnippet(c))
	return cmd
}

// nodeFlags are what the commands for a node share.
type nodeFlags struct {
	options    controlplane.Options
	flavour    string
	tokenFile  string
	kubeconfig string
	noCluster  bool
	timeout    time.Duration
	caFile     string
	endpoint   string
	policy     string
	noTry      bool
	output     outputFlag
}

func (f *nodeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.options.Root, "root", "/", "`folder` that the node's file system is mounted at")
	flags.StringVar(&f.options.Address, "address", defaultAddress, "`host:port` of the webhook, as its configuration names it")
	flags.StringVar(&f.flavour, "flavour", flavourAuto, "what runs the API server: auto (by the node's files), kubeadm, k3s or rke2")
	f.output.add(cmd)
}

// readFlavour gives the flavour that is asked for.
func (f *nodeFlags) readFlavour() error {
	switch f.flavour {
	case flavourAuto:
	case string(controlplane.FlavourKubeadm), string(controlplane.FlavourK3s), string(controlplane.FlavourRKE2):
		f.options.Flavour = controlplane.Flavour(f.flavour)
	default:
		return fmt.Errorf("flavour %q: write auto, kubeadm, k3s or rke2; for others see runecast controlplane snippet --help", f.flavour)
	}
	return nil
}

func (f *nodeFlags) addToken(cmd *cobra.Command, text string) {
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "`file` with the API token, - for standard input"+text)
}

// addCluster adds the flags of commands that ask the API server.
func (f *nodeFlags) addCluster(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "`file` to reach the API server with (default /etc/kubernetes/admin.conf of the node)")
	flags.BoolVar(&f.noCluster, "no-wait", false, "write the files and ask no API server, for a node that does not run")
	flags.DurationVar(&f.timeout, "timeout", controlplane.DefaultLimit, "how long the API server may take to come back")
}

// addTry adds the flags of commands that try a token.
func (f *nodeFlags) addTry(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "2", "`id` of a policy, to try the token with")
	flags.StringVar(&f.caFile, "ca-file", "", "PEM `file` of the webhook's authorities (default those of its webhook configuration)")
	flags.StringVar(&f.endpoint, "endpoint", "", "`host:port` where this node reaches the webhook (default its address, a Service by its cluster IP)")
	flags.BoolVar(&f.noTry, "no-try", false, "do not send a review with the token first")
}

func (f *nodeFlags) readToken(in io.Reader) error {
	if f.tokenFile == "" {
		return nil
	}
	var token string
	if f.tokenFile == "-" {
		text, err := io.ReadAll(io.LimitReader(in, maxToken))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	} else {
		var err error
		if token, err = readSecret(f.tokenFile); err != nil {
			return err
		}
	}
	if token == "" {
		return errors.New("the token file is empty")
	}
	if strings.ContainsAny(token, " \t\r\n") {
		return errors.New("the token file has more than a token")
	}
	f.options.Token = token
	return nil
}

const maxToken = 4 << 10 // bytes

// node gives the node with what its flags say, connected to its API server.
func (f *nodeFlags) node(c *command) (*controlplane.Node, error) {
	bar := newWaitBar(c.streams.Err)
	n := &controlplane.Node{Root: f.options.Root, Limit: f.timeout, Waiting: bar.waiting, Say: func(step string) {
		bar.finish()
		_, _ = fmt.Fprintln(c.streams.Err, step) // where stderr is gone there is nobody to tell
	}}
	if f.noCluster {
		return n, nil
	}
	api, err := f.api()
	if err != nil {
		return nil, err
	}
	n.API = api
	if f.noTry || f.policy == "" {
		return n, nil
	}
	// Where the webhook is not found now, the step that needs it says so, and a run that was ended can be undone all the same.
	n.Try = func(ctx context.Context, token string) error {
		w, err := f.webhook(ctx, api)
		if err != nil {
			return err
		}
		return w.Try(ctx, token)
	}
	return n, nil
}

// adminFile is the kubeconfig of an administrator that a flavour leaves on its nodes.
func adminFile(flavour controlplane.Flavour) string {
	switch flavour {
	case controlplane.FlavourK3s:
		return "/etc/rancher/k3s/k3s.yaml"
	case controlplane.FlavourRKE2:
		return "/etc/rancher/rke2/rke2.yaml"
	case controlplane.FlavourKubeadm:
	}
	return "/etc/kubernetes/admin.conf"
}

func (f *nodeFlags) api() (*controlplane.API, error) {
	flavour := f.options.Flavour
	if flavour == "" {
		found, err := controlplane.Detect(f.options.Root)
		if err != nil {
			return nil, err
		}
		flavour = found
	}
	name := f.kubeconfig
	if name == "" {
		name = strings.TrimSuffix(f.options.Root, "/") + adminFile(flavour)
		if _, missing := os.Stat(name); errors.Is(missing, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no %s to reach the API server with: name a file with --kubeconfig, or say --no-wait for a node that does not run", name)
		}
	}
	access, err := clientcmd.BuildConfigFromFlags("", name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	server := access.Host // K3s and RKE2 name the node's own
	if flavour == controlplane.FlavourKubeadm {
		if server, err = controlplane.ServerURL(f.options.Root); err != nil {
			return nil, err
		}
	}
	access.UserAgent, access.DisableCompression = "runecast/"+buildVersion().Version, true
	client, err := rest.HTTPClientFor(access)
	if err != nil {
		return nil, fmt.Errorf("set up the client of the API server: %w", err)
	}
	return controlplane.NewAPI(client, server), nil
}

func (f *nodeFlags) webhook(ctx context.Context, api *controlplane.API) (*controlplane.Webhook, error) {
	w := &controlplane.Webhook{Address: f.options.Address}
	if f.endpoint == "" || f.caFile == "" {
		found, err := api.Reach(ctx, f.options.Address)
		if err != nil {
			return nil, err
		}
		w = found
	}
	w.Policy = f.policy
	if f.endpoint != "" {
		w.Endpoint = f.endpoint
	}
	if f.caFile != "" {
		text, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		w.Authorities = text
	}
	return w, nil
}

// printFiles shows what files need, or what was done to them.
func printFiles(w io.Writer, plan *controlplane.Plan, end string) error {
	var b strings.Builder
	for i := range plan.Files {
		f := &plan.Files[i]
		if f.Mode != "" {
			b.WriteString("permissions of " + f.Path + ": " + f.Mode + "\n")
		}
		for line := range strings.Lines(f.Diff) {
			b.WriteString(printable(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")) + "\n")
		}
	}
	if b.Len() > 0 && end != "" {
		b.WriteString("\n")
	}
	if _, err := io.WriteString(w, b.String()+end); err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}
