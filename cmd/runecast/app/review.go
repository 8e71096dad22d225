package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

const defaultTimeout = 10 * time.Minute

func newReview(c *command) *cobra.Command {
	var (
		output   outputFlag
		policyID string
		timeout  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "review FILE|-",
		Short: "Judge a manifest or an AdmissionReview without a cluster",
		Long: `Judges every object of a Kubernetes manifest (YAML or JSON, several documents, lists) or an
AdmissionReview, as the server would. Nothing is recorded.

Exit codes: 0 allowed, 1 at least one object is denied, 2 an error.`,
		Example: `  runecast review deployment.yaml
  helm template shop ./chart | runecast review - --policy 1
  runecast review review.json -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			requests, err := readRequests(c.streams.In, args[0])
			if err != nil {
				return err
			}
			return c.review(cmd.Context(), requests, policyID, timeout, &output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&policyID, "policy", "2", "policy `id`")
	flags.DurationVar(&timeout, "timeout", defaultTimeout, "how long all scans may take")
	flags.StringSlice("platforms", nil, "`os/arch` of the cluster's nodes, for workloads that do not say (default linux/amd64)")
	addStoreFlags(flags)
	addFeedFlags(flags)
	addPolicyFlags(flags)
	addScanFlags(flags)
	addKubeconfigFlag(flags, "none")
	output.add(cmd)
	return cmd
}

// reviewed is one judged object.
type reviewed struct {
	Object   string              `json:"object"`
	Allowed  bool                `json:"allowed"`
	Message  string              `json:"message,omitempty"`
	Warnings []string            `json:"warnings,omitempty"`
	Decision *admission.Decision `json:"decision"`
}

func (c *command) review(ctx context.Context, requests []admission.Request, policyID string, timeout time.Duration, output *outputFlag) (err error) {
	bars := newStageBars(c.streams.Err)
	defer bars.finish()
	l, err := newLocal(ctx, &c.config, func(p scan.Progress) { bars.progress(p.Image, p.Done, p.Total) }, c.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	p, err := findPolicy(l.policies, policyID)
	if err != nil {
		return err
	}
	results := []reviewed{}
	denied := false
	for i := range requests {
		response, decision := l.reviewer.Review(ctx, p, &requests[i], time.Now())
		denied = denied || !response.Allowed
		results = append(results, reviewed{
			Object: describe(decision), Allowed: response.Allowed, Message: response.Message, Warnings: response.Warnings, Decision: decision,
		})
	}
	if ctx.Err() != nil {
		return ended(ctx, ctx.Err())
	}
	if err := c.printReviewed(output, p, results); err != nil {
		return err
	}
	if denied {
		return errDenied
	}
	return nil
}

func describe(d *admission.Decision) string {
	name := d.Name
	if d.Namespace != "" {
		name = d.Namespace + "/" + name
	}
	return d.Kind + " " + name
}

func (c *command) printReviewed(output *outputFlag, p *policy.Policy, results []reviewed) error {
	if !output.isTable() {
		return output.print(c.streams.Out, results, func(*table) {})
	}
	var b bytes.Buffer
	for _, r := range results {
		for _, w := range r.Warnings {
			fmt.Fprintf(&b, "Warning: %s\n", printable(w))
		}
		if r.Allowed {
			fmt.Fprintf(&b, "%s: allowed by policy %s: '%s' (%s)\n", printable(r.Object), p.ID, p.Name, r.Decision.Reason)
			continue
		}
		fmt.Fprintf(&b, "%s: denied: %s\n", printable(r.Object), r.Message)
	}
	if _, err := c.streams.Out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
