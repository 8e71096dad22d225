package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/advisory"
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

Exit codes: 0 scanned, and allowed by the policy where one is given, 1 denied, 2 an error.`,
		Example: `  runecast scan nginx:1.19
  runecast scan nginx:1.19 --policy 2
  runecast scan registry.example/app@sha256:… --platform linux/arm64 -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
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
	output.add(cmd)
	return cmd
}

// scanned is the result of the scan command.
type scanned struct {
	*scan.Report
	Policy  string         `json:"policy,omitempty"` // id
	Result  *policy.Result `json:"result,omitempty"`
	Message string         `json:"message,omitempty"`
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
	report, err := l.scanner.Scan(ctx, request)
	bars.finish()
	if err != nil {
		return ended(ctx, explain(err))
	}
	out := scanned{Report: report}
	if p != nil {
		result := p.Evaluate(subject(report), time.Now())
		out.Policy, out.Result = p.ID, &result
		out.Message = policy.DenialMessage(p, []policy.ImageResult{{Reference: report.Image, Digest: report.Digest, Result: result}})
	}
	if err := output.print(c.streams.Out, out, func(t *table) { tabulateReport(t, report) }); err != nil {
		return err
	}
	return c.closing(output, p, &out)
}

// explain adds the remedy to a scan's error.
func explain(err error) error {
	var known *scan.Error
	if errors.As(err, &known) && known.Remedy != "" {
		return fmt.Errorf("%w\nremedy: %s", err, known.Remedy)
	}
	return err
}

func subject(r *scan.Report) policy.Subject {
	return policy.Subject{
		Reference: r.Image, Digest: r.Digest, Platform: r.Platform, Outcome: policy.OutcomeScanned,
		Findings: r.Findings, Uncovered: r.Uncovered, Unread: r.Unread, FeedDate: r.Feed.Date, FeedLacks: r.Feed.Lacks,
	}
}

// closing prints the verdict under the table, and gives the exit.
func (c *command) closing(output *outputFlag, p *policy.Policy, out *scanned) error {
	if p == nil {
		return nil
	}
	if output.format == "" {
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

// tabulateReport prints a report within 100 columns.
func tabulateReport(t *table, r *scan.Report) {
	t.row("image", r.Image)
	t.row("digest", r.Digest)
	t.row("platform", r.Platform)
	t.row("system", orUnknown(r.OS.PrettyName, r.OS.ID))
	t.row("packages", strconv.Itoa(r.Packages))
	t.row("feed", describeDate(r.Feed.Date)+", revision "+short(r.Feed.Revision, 13))
	t.row("findings", countLine(r))
	for _, u := range r.Uncovered {
		t.row("NOT JUDGED", fmt.Sprintf("%d packages of %s: the feed has no data of it", u.Packages, u.Ecosystem))
	}
	for _, u := range r.Unread {
		t.row("NOT JUDGED", short(u, 85))
	}
	for _, w := range r.Warnings {
		t.row("warning", short(w, 85))
	}
	if len(r.Findings) == 0 {
		return
	}
	t.row("")
	t.row("SEVERITY", "ID", "PACKAGE", "INSTALLED", "FIXED IN", "NOTES")
	for i := range r.Findings {
		f := &r.Findings[i]
		t.row(f.Severity.String(), short(f.ID, 20), short(f.Package.Name, 20), short(f.Package.Version, 18), short(f.FixedVersion, 18), notes(f))
	}
}

func orUnknown(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return "unknown"
}

// countLine is the number of findings of each severity, worst first.
func countLine(r *scan.Report) string {
	counts := r.Counts()
	var parts []string
	for _, s := range advisory.Severities() {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func notes(f *advisory.Finding) string {
	var all []string
	if f.KEV != nil {
		all = append(all, "KEV")
	}
	if f.Uncertain != "" {
		all = append(all, "uncertain")
	}
	return strings.Join(all, " ")
}
