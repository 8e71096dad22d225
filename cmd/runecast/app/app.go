package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes of every command.
const (
	ExitOK     = 0 // done; for review and scan: allowed
	ExitDenied = 1 // review and scan: the policy denies; webhook diff: there is a difference; webhook check: there is a problem
	ExitError  = 2 // could not be done: wrong usage, unreadable input, a fault
)

// Streams are the program's standard streams.
type Streams struct {
	In  io.Reader
	Out io.Writer // results
	Err io.Writer // logs, progress, errors
}

// errDenied ends a command with ExitDenied; its verdict, or what it found, is printed already.
var errDenied = errors.New("denied")

// Main runs the program with its arguments and gives the exit code.
func Main(ctx context.Context, args []string, streams Streams) int {
	root := newRoot(&command{streams: streams, log: logrus.New()}) //nolint:contextcheck // cobra hands the context on
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.Err)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errDenied):
		return ExitDenied
	default:
		_, _ = fmt.Fprintf(streams.Err, "error: %v\n", err) // where stderr is gone there is nothing left to tell
		return ExitError
	}
}

// command is what all commands share.
type command struct {
	streams Streams
	log     *logrus.Logger
	config  Config
}

func newRoot(c *command) *cobra.Command {
	root := &cobra.Command{
		Use:   "runecast",
		Short: "Judge container images at admission to a Kubernetes cluster",
		Long: `runecast is a validating admission webhook for Kubernetes. It knows what is inside
every container image before it runs, and denies what breaks a policy.

Settings come from flags, RUNECAST_* variables (RUNECAST_DATA_DIR for --data-dir)
and a YAML file (--config; dataDir for --data-dir), in this order of precedence.

Exit codes: 0 done or allowed, 1 denied by the policy (or webhook diff and check found something), 2 an error.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			config, err := loadConfig(cmd.Flags(), os.Environ())
			if err != nil {
				return err
			}
			c.config = config
			if c.config.LogLevel == "" {
				c.config.LogLevel = "warn" // a person reads the results
				if cmd.Name() == serveName {
					c.config.LogLevel = "info"
				}
			}
			return c.setUpLog()
		},
	}
	addCommonFlags(root.PersistentFlags())
	root.AddCommand(
		newServe(c),
		newReview(c), newScan(c), newToken(c), newUser(c), newPolicy(c), newFeed(c), newDecision(c), newFlip(c), newNotify(c), newWebhook(c), newControlplane(c), newVersion(c),
	)
	return root
}

// setUpLog lets the log follow the configuration. The log goes to stderr: JSON for machines, text for a person at a terminal.
func (c *command) setUpLog() error {
	level, err := logrus.ParseLevel(c.config.LogLevel)
	if err != nil {
		return fmt.Errorf("log level %q is none of debug, info, warn, error: %w", c.config.LogLevel, err)
	}
	c.log.SetLevel(level)
	c.log.SetOutput(c.streams.Err)
	if c.config.LogFormat == logText || (c.config.LogFormat == "" && isTerminal(c.streams.Err)) {
		c.log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
		return nil
	}
	c.log.SetFormatter(&logrus.JSONFormatter{})
	return nil
}

// isTerminal tells whether a person is looking at the stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
