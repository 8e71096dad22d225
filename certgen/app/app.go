package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/runecast/runecast/certgen/cluster"
	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/plan"
)

// Exit codes of every command.
const (
	ExitOK    = 0 // done; a wait that is left to the next run is no fault
	ExitDue   = 1 // status: something is to be done, or wrong
	ExitError = 2 // could not be done
)

// errDue ends status with ExitDue; what is due is printed already.
var errDue = errors.New("something is due")

const requestLimit = 30 * time.Second // for one request to the API server

// Main runs the program with its arguments and gives the exit code. Results go to out; the log, as JSON, and errors to errOut.
func Main(ctx context.Context, args []string, out, errOut io.Writer) int {
	log := logrus.New()
	log.SetOutput(errOut)
	log.SetFormatter(&logrus.JSONFormatter{})
	root := newRoot(&command{out: out, log: log}) //nolint:contextcheck // cobra hands the context on
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	switch err := root.ExecuteContext(ctx); {
	case err == nil:
		return ExitOK
	case errors.Is(err, errDue):
		return ExitDue
	default:
		_, _ = fmt.Fprintf(errOut, "error: %v\n", err) // where stderr is gone there is nothing left to tell
		return ExitError
	}
}

// command is what all commands share.
type command struct {
	out     io.Writer
	log     *logrus.Logger
	options options
}

func newRoot(c *command) *cobra.Command {
	root := &cobra.Command{
		Use:   "certgen",
		Short: "Issue, renew and rotate the certificates of runecast",
		Long: `certgen keeps the serving certificate of runecast, its CA and the credential in the path
of reviews in three Secrets, and the caBundle and path of the webhook configurations in
step with them. Every command can be run at any time, again, and beside another run; one
that was cut off is resumed by the next.

A new CA is rotated in without losing a call: old and new into every caBundle, then the
new certificate, then, when every endpoint presents it and a day is over, the old CA out.

Exit codes: 0 done (a wait may be left to the next run), 1 status: something is due or
wrong, 2 an error.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			level, err := logrus.ParseLevel(c.options.logLevel)
			if err != nil {
				return fmt.Errorf("--log-level %q is none of debug, info, warn, error", c.options.logLevel)
			}
			c.log.SetLevel(level)
			return c.options.validate()
		},
	}
	c.options.add(root.PersistentFlags())
	root.AddCommand(newIssue(c), newPatch(c), newReconcile(c), newRemove(c), newStatus(c))
	return root
}

// runner wires a command to the cluster.
func (c *command) runner(scope plan.Scope) (*job.Runner, error) {
	config, err := c.restConfig()
	if err != nil {
		return nil, err
	}
	client, err := cluster.New(config, c.options.cluster())
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	options, err := c.options.plan(scope)
	if err != nil {
		return nil, err
	}
	return &job.Runner{Cluster: client, Options: options, Clock: job.RealClock{}, Timeout: c.options.timeout, Log: c.log}, nil
}

func (c *command) restConfig() (*rest.Config, error) {
	config, err := rest.InClusterConfig()
	if c.options.kubeconfig != "" {
		config, err = clientcmd.BuildConfigFromFlags("", c.options.kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w; outside of a cluster give --kubeconfig", err)
	}
	config.Timeout = requestLimit
	config.QPS = -1 // a run makes some dozens of requests in all
	config.UserAgent = "runecast-certgen"
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}
