package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/admission"
	"github.com/runecast/runecast/pkg/lifecycle"
	"github.com/runecast/runecast/pkg/policy"
	"github.com/runecast/runecast/pkg/scan"
)

func newScan(c *command) *cobra.Command {
	var (
		output   outputFlag
		policyID string
		platform string
		timeout  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "scan IMAGE",
		Short: "List the vulnerabilities of an image",
		Long: `Pulls an image's layers, lists the packages in them that have known vulnerabilities, worst
first, and, with --policy, judges it.

With -o it writes a bill of materials instead: cyclonedx (CycloneDX 1.6 as JSON, with the
vulnerabilities) or cyclonedx-xml, spdx (SPDX 2.3 as JSON) or spdx-tag-value, neither of which needs
vulnerability data; or the findings as sarif (SARIF 2.1.0). They say what could not be read, and the
same image gives the same bytes as long as it is stored and the vulnerability data stay the same.

Exit codes: 0 scanned, and allowed by the policy where one is given; 1 denied, also where the
policy denies what cannot be scanned; 2 an error, also where an image that cannot be scanned leaves
nothing to write in the formats above.`,
		Example: `  runecast scan nginx:1.19
  runecast scan nginx:1.19 --policy 2
  runecast scan registry.example/app@sha256:… --platform linux/arm64 -o json
  runecast scan nginx:1.19 -o cyclonedx > nginx.cdx.json
  runecast scan nginx:1.19 -o spdx > nginx.spdx.json
  runecast scan nginx:1.19 --policy 2 -o sarif > nginx.sarif`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return c.scan(ctx, scan.Request{Reference: args[0], Platform: platform}, policyID, &output)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&policyID, "policy", "", "judge by the policy of this `id`")
	flags.StringVar(&platform, "platform", "linux/amd64", "`os/arch` to scan")
	flags.DurationVar(&timeout, "timeout", defaultTimeout, "how long the scan may take")
	addStoreFlags(flags)
	addFeedFlags(flags)
	addPolicyFlags(flags)
	addScanFlags(flags)
	output.add(cmd, exportFormats()...)
	return cmd
}

// scanned is the result of the scan command.
type scanned struct {
	*scan.Report
	FeedData *feedJSON         `json:"feedData,omitempty"` // of the feed in use: its date, sources and counts
	Support  lifecycle.Support `json:"support,omitempty"`  // of the distribution's release, today
	Policy   string            `json:"policy,omitempty"`   // id
	Result   *policy.Result    `json:"result,omitempty"`
	Message  string            `json:"message,omitempty"`
}

func (c *command) scan(ctx context.Context, request scan.Request, policyID string, output *outputFlag) (err error) {
	bars := newStageBars(c.streams.Err)
	l, err := newLocal(ctx, &c.config, func(p scan.Progress) { bars.progress(p.Image, p.Done, p.Total) }, c.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(ctx)) }()
	var p *policy.Policy
	if policyID != "" {
		if p, err = findPolicy(l.policies, policyID); err != nil {
			return err
		}
	}
	if output.isMore() {
		return c.export(ctx, l, request, p, output)
	}
	out := scanned{}
	needed := p == nil || p.NeedsScanOf(request.Reference)
	var scanErr error
	if needed {
		out.Report, scanErr = l.scanner.Scan(ctx, request)
		bars.finish()
	}
	if scanErr != nil && (p == nil || ctx.Err() != nil) {
		return ended(ctx, explain(scanErr))
	}
	if out.Report != nil {
		out.Support = out.Report.Distribution.Support(time.Now())
	}
	if p != nil {
		out.judge(p, request, needed, scanErr)
	}
	if info, err := l.feedInfo(); err == nil {
		out.FeedData = &feedJSON{File: c.config.Feed, AgeDays: ageDays(info.Date), Info: info}
	}
	if err := output.print(c.streams.Out, out, func(t *table) { tabulateReport(t, request, &out) }); err != nil {
		return err
	}
	return c.closing(output, p, &out)
}

// judge adds the policy's result: of the report, of what stood in the way of one, or of the image's name alone.
func (s *scanned) judge(p *policy.Policy, request scan.Request, wasScanned bool, scanErr error) {
	subject := policy.Subject{Reference: request.Reference, Platform: request.Platform, Outcome: policy.OutcomeScanned}
	if wasScanned {
		subject, _ = admission.SubjectOf(request, s.Report, scanErr)
	}
	result := p.Evaluate(subject, time.Now())
	s.Policy, s.Result = p.ID, &result
	s.Message = policy.DenialMessage(p, []policy.ImageResult{{Reference: subject.Reference, Digest: subject.Digest, Result: result}})
}

// explain adds the remedy to a scan's error.
func explain(err error) error {
	var known *scan.Error
	if errors.As(err, &known) && known.Remedy != "" {
		return fmt.Errorf("%w\nremedy: %s", err, known.Remedy)
	}
	return err
}

// closing prints the verdict under the table, and gives the exit.
func (c *command) closing(output *outputFlag, p *policy.Policy, out *scanned) error {
	if p == nil {
		return nil
	}
	if output.isTable() {
		var b bytes.Buffer
		for _, w := range out.Result.Warnings {
			fmt.Fprintf(&b, "\nWarning: %s", printable(w))
		}
		if out.Message != "" {
			fmt.Fprintf(&b, "\n%s\n", out.Message)
		} else {
			fmt.Fprintf(&b, "\nAllowed by policy %s: '%s'.\n", p.ID, p.Name)
		}
		if _, err := c.streams.Out.Write(b.Bytes()); err != nil {
			return fmt.Errorf("write the verdict: %w", err)
		}
	}
	if !out.Result.Allowed {
		return errDenied
	}
	return nil
}
