package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/certgen/job"
	"github.com/runecast/runecast/certgen/plan"
)

func newIssue(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "issue",
		Short: "Create the Secrets that are missing, and reissue what is no longer good",
		Long: `Creates the Secrets of the CA, of the serving certificate and of the review key where they
are missing, and reissues what is no longer good. Where the webhook configuration is there
already, a CA that is new is added to its caBundle before any server uses it. It is for
a hook before install and upgrade, and the only command that needs the right to create Secrets.`,
		Example: `  certgen issue --namespace runecast --webhook-configuration runecast-validating-webhook
  certgen issue --tls-source existingSecret --serving-secret my-tls`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.run(cmd, plan.Scope{Secrets: true, Create: true, Configure: true}, func(ctx context.Context, r *job.Runner) (job.Result, error) {
				r.Lenient = true // a webhook without policy is of the release that is going
				return r.Converge(ctx)
			})
		},
	}
}

func newPatch(c *command) *cobra.Command {
	var endpoints bool
	cmd := &cobra.Command{
		Use:   "patch",
		Short: "Put caBundle and path into the webhook configuration",
		Long: `Waits for the webhook configuration of the chart, puts the caBundle and the path of each
webhook's policy into it, and helps configurations made by hand (--adopt) to trust the CA.
It is for a hook after install and upgrade. It writes no Secret.`,
		Example: `  certgen patch --webhook-configuration runecast-validating-webhook
  certgen patch --webhook-configuration runecast-validating-webhook --wait-endpoints --timeout 3m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.run(cmd, plan.Scope{Configure: true}, func(ctx context.Context, r *job.Runner) (job.Result, error) {
				if name := c.options.configuration; name != "" {
					if err := r.AwaitConfiguration(ctx, name); err != nil {
						return job.Result{}, err //nolint:wrapcheck // it says what was waited for
					}
				}
				result, err := r.Converge(ctx)
				if err == nil && endpoints {
					err = r.AwaitEndpoints(ctx)
				}
				return result, err //nolint:wrapcheck // it says what failed
			})
		},
	}
	cmd.Flags().BoolVar(&endpoints, "wait-endpoints", false, "also wait until every ready endpoint of --front-service presents the certificate")
	return cmd
}

func newReconcile(c *command) *cobra.Command {
	return &cobra.Command{
		Use:   "reconcile",
		Short: "Do all that is due: renew, rotate, patch",
		Long: `Does all that is due, once: renews the serving certificate, begins a rotation of the CA or
leads one on, rotates the review key, and keeps the webhook configurations in step. It is
for a CronJob, and needs no right to create Secrets. A wait that is longer than --timeout
is left to the next run.

A rotation of the CA begins when two thirds of its life are over, when --rotate-request
changes, or when it is asked for by hand:
  kubectl -n runecast annotate secret runecast-ca runecast.com/rotate=now
The same annotation on runecast-nginx-tls asks for a new private key, and on
runecast-review-key for a new credential.`,
		Example: `  certgen reconcile --webhook-configuration runecast-validating-webhook --adopt my-webhook
  certgen reconcile --webhook-configuration runecast-validating-webhook --rotate-request 2026-11`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.run(cmd, plan.Scope{Secrets: true, Configure: true, Rotate: true}, func(ctx context.Context, r *job.Runner) (job.Result, error) {
				return r.Converge(ctx)
			})
		},
	}
}

// run runs a command that changes things, within its time, and sends metrics of it.
func (c *command) run(cmd *cobra.Command, scope plan.Scope, do func(context.Context, *job.Runner) (job.Result, error)) error {
	runner, err := c.runner(scope)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), c.options.timeout+requestLimit)
	defer cancel()
	result, err := do(ctx, runner)
	if c.options.pushGateway != "" {
		c.push(cmd, runner, &result, err != nil)
	}
	if err != nil {
		return fmt.Errorf("certgen %s: %w", cmd.Name(), err)
	}
	c.log.WithField("writes", len(result.Did)).Info("certgen " + cmd.Name() + " is done")
	return nil
}

// push sends metrics. Where that fails only the log says so.
func (c *command) push(cmd *cobra.Command, runner *job.Runner, result *job.Result, failed bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), requestLimit)
	defer cancel()
	var status *job.Status
	if world, err := runner.Cluster.Look(ctx); err == nil {
		s := job.Describe(&runner.Options, world, time.Now())
		status = &s
	}
	pusher := job.Pusher{URL: c.options.pushGateway, Namespace: c.options.namespace, Command: cmd.Name()}
	if err := pusher.Push(ctx, status, result.Did, failed, time.Now()); err != nil {
		c.log.WithField("error", strings.ReplaceAll(err.Error(), c.options.pushGateway, "the Pushgateway")).Warn("no metrics could be sent")
	}
}
