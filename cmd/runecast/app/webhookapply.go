package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

// applied is what an apply did, or would do.
type applied struct {
	Server string   `json:"server"`
	Name   string   `json:"name"`
	Result string   `json:"result"` // created, changed, unchanged
	DryRun bool     `json:"dryRun"`
	Notes  []string `json:"notes,omitempty"`
}

func newWebhookApply(c *command) *cobra.Command {
	var (
		flags         specFlags
		output        outputFlag
		dryRun, force bool
	)
	cmd := &cobra.Command{
		Use:   "apply --policy ID (--url URL | --service NAMESPACE/NAME:PORT)",
		Short: "Put the configuration that generate writes into the cluster",
		Long: `Sends the configuration by server-side apply, under the field manager ` + webhook.FieldManager + `. What is so
already is not written again.

It takes nothing from others: a configuration that Helm, kubectl or anybody else made is refused, as
are fields that somebody changed since, unless --force-conflicts is given. A caBundle that certgen or
cainjector keeps stays theirs.

Exit codes: 0 done, 2 an error, also where it is refused.`,
		Example: `  runecast webhook apply --policy 2 --service runecast/runecast-nginx:9080 --ca-from-cluster --dry-run
  runecast webhook apply --policy 2 --service runecast/runecast-nginx:9080 --ca-from-cluster --review-key-from-cluster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			a, err := c.application(cmd, &flags, force)
			if err != nil {
				return err
			}
			if a.plan.Refuse != "" {
				return errors.New("refused: " + a.plan.Refuse)
			}
			after, err := a.client.Apply(cmd.Context(), a.plan.Object, dryRun, force)
			if err != nil {
				return err //nolint:wrapcheck // it says what failed
			}
			result, err := a.result(after, dryRun)
			if err != nil {
				return err
			}
			return output.print(c.streams.Out, result, result.tabulate)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "have the API server check it, and store nothing")
	cmd.Flags().BoolVar(&force, "force-conflicts", false, "take over a configuration, or fields of it, that another field manager has")
	output.add(cmd)
	return cmd
}

// difference is what diff found.
type difference struct {
	Server    string   `json:"server"`
	Name      string   `json:"name"`
	Different bool     `json:"different"`
	Diff      string   `json:"diff"`
	Notes     []string `json:"notes,omitempty"`
}

func newWebhookDiff(c *command) *cobra.Command {
	var (
		flags  specFlags
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "diff --policy ID (--url URL | --service NAMESPACE/NAME:PORT)",
		Short: "Show what apply would change in the cluster",
		Long: `Has the API server try the configuration that generate writes, as a dry run, and shows as a unified diff
how it differs from what is there. Certificates are shown by their names and review keys not at
all. Why apply would refuse, and what it would leave to others, is told on standard error.

Exit codes: 0 nothing differs, 1 something does, 2 an error.`,
		Example: `  runecast webhook diff --policy 2 --service runecast/runecast-nginx:9080 --ca-from-cluster`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := output.check(); err != nil {
				return err
			}
			a, err := c.application(cmd, &flags, false)
			if err != nil {
				return err
			}
			result, err := a.diff(cmd.Context())
			if err != nil {
				return err
			}
			if output.isTable() {
				c.warn(result.Notes)
				_, err = io.WriteString(c.streams.Out, result.Diff)
			} else {
				err = output.print(c.streams.Out, result, nil)
			}
			if err != nil {
				return fmt.Errorf("write the difference: %w", err)
			}
			if result.Different {
				return errDenied
			}
			return nil
		},
	}
	flags.add(cmd)
	output.add(cmd)
	return cmd
}

// application is what a command is about to apply, and where.
type application struct {
	client *cluster.Client
	plan   *webhook.Application
	live   *webhook.Configuration
}

// application generates the configuration, warns, and looks at what is there.
func (c *command) application(cmd *cobra.Command, flags *specFlags, force bool) (*application, error) {
	spec, err := flags.read(cmd, c)
	if err != nil {
		return nil, err
	}
	generated, warnings, err := webhook.Generate(spec, time.Now())
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	c.warn(warnings)
	client, err := c.connect(&flags.clusterFlags)
	if err != nil {
		return nil, err
	}
	live, err := client.Configuration(cmd.Context(), generated.Name)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	plan, err := webhook.PlanApply(live, generated, force)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	return &application{client: client, plan: plan, live: live}, nil
}

// result says what an apply did, or would do.
func (a *application) result(after *webhook.Configuration, dryRun bool) (*applied, error) {
	strays, err := a.plan.Strays(after)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	result := &applied{Server: a.client.Server(), Name: after.Name, Result: "created", DryRun: dryRun, Notes: slices.Concat(a.plan.Notes, strays)}
	if a.live == nil {
		return result, nil
	}
	text, err := webhook.Diff(a.live, after)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	result.Result = "changed"
	if text == "" {
		result.Result = "unchanged"
	}
	return result, nil
}

func (r *applied) tabulate(t *table) {
	what := r.Result
	if r.DryRun {
		what += " (dry run: nothing was written)"
	}
	t.row("configuration", r.Name)
	t.row("server", r.Server)
	t.row("result", what)
	for _, note := range r.Notes {
		t.wrapped(84, "note", note)
	}
}

// diff has the API server try what is to be applied. Where others own fields of it, the difference is what it would be by force.
func (a *application) diff(ctx context.Context) (*difference, error) {
	result := &difference{Server: a.client.Server(), Name: a.plan.Object.Name, Notes: a.plan.Notes}
	if a.plan.Refuse != "" {
		result.Notes = append(result.Notes, "apply would refuse: "+a.plan.Refuse)
	}
	after, err := a.client.Apply(ctx, a.plan.Object, true, a.plan.Refuse != "")
	if errors.Is(err, cluster.ErrOwned) {
		result.Notes = append(result.Notes, "apply would refuse: "+err.Error())
		after, err = a.client.Apply(ctx, a.plan.Object, true, true)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	strays, err := a.plan.Strays(after)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	result.Notes = append(result.Notes, strays...)
	if result.Diff, err = webhook.Diff(a.live, after); err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	result.Different = result.Diff != ""
	return result, nil
}
