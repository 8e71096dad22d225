package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/webhook"
	"github.com/runecast/runecast/pkg/webhook/cluster"
)

const defaultMinDays = 21 // certgen renews 30 days before the end

// checkFlags are those of webhook check.
type checkFlags struct {
	clusterFlags

	addresses []string
	minDays   int
	timeout   time.Duration
	offline   bool
	tokenFile string
}

// checked is what was found about one webhook.
type checked struct {
	Configuration string            `json:"configuration"`
	Webhook       string            `json:"webhook"`
	Policy        string            `json:"policy"`
	Target        string            `json:"target"`
	ServerName    string            `json:"serverName"`
	Address       string            `json:"address,omitempty"` // that was connected to
	Good          bool              `json:"good"`              // no finding is a problem
	Findings      []webhook.Finding `json:"findings"`
	Guarded       []string          `json:"guarded"`
	Left          []webhook.Left    `json:"left"`
}

func newWebhookCheck(c *command) *cobra.Command {
	var (
		flags  checkFlags
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "check [NAME…]",
		Short: "Look at configurations in the cluster, and at the certificates of the servers that they call",
		Long: `Looks at the configurations of the given names, else at all whose webhooks call runecast: does caBundle
verify the certificate that the server presents now, for the name that the API server calls it by;
how long are certificates good for; is the review of a pod without images answered, which shows that
key and policy are known (with a token it needs --token-file); which namespaces are guarded; what does
failurePolicy mean for them; what do the rules leave out.

It connects to the server itself, as the API server's proxy shows no certificates. Inside the cluster
a Service is called by its name. From elsewhere say with --address where it can be reached, such as
the end of kubectl port-forward; the certificate must be valid for the Service's name all the same.

Exit codes: 0 no problem was found, risks aside; 1 there is a problem, or the server could not be
reached, or there is no such configuration; 2 an error.`,
		Example: `  runecast webhook check
  kubectl -n runecast port-forward service/runecast-nginx 9080:9080 &
  runecast webhook check runecast-validating-webhook --address localhost:9080
  runecast webhook check --address runecast/runecast-nginx=localhost:9080 --min-days 30 -o json`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := output.check(); err != nil {
				return err
			}
			if err := flags.validate(); err != nil {
				return err
			}
			results, err := c.check(cmd.Context(), &flags, names)
			if err != nil {
				return err
			}
			if err := output.print(c.streams.Out, results, func(t *table) { tabulateChecks(t, results) }); err != nil {
				return err
			}
			if len(results) == 0 || slices.ContainsFunc(results, func(r checked) bool { return !r.Good }) {
				return errDenied
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&flags.addresses, "address", nil, "`host:port` where the Service, or the URL's server, is reached from here; namespace/name=host:port where there are several")
	cmd.Flags().IntVar(&flags.minDays, "min-days", defaultMinDays, "days that certificates must be good for")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 10*time.Second, "for a connection to a server")
	cmd.Flags().StringVar(&flags.tokenFile, "token-file", "", "`file` with an API token, to have a review answered where no key is in the path")
	cmd.Flags().BoolVar(&flags.offline, "no-connect", false, "connect to no server: look at the configuration alone")
	flags.clusterFlags.add(cmd.Flags())
	output.add(cmd)
	return cmd
}

// check looks at the webhooks of the named configurations, or of all.
func (c *command) check(ctx context.Context, flags *checkFlags, names []string) ([]checked, error) {
	client, err := c.connect(&flags.clusterFlags)
	if err != nil {
		return nil, err
	}
	configurations, err := pick(ctx, client, names)
	if err != nil {
		return nil, err
	}
	namespaces, err := client.Namespaces(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // it says what failed
	}
	results := []checked{}
	for i := range configurations {
		found := false
		for j := range configurations[i].Webhooks {
			target, ours := webhook.Review(&configurations[i], &configurations[i].Webhooks[j])
			if !ours {
				continue
			}
			found = true
			result, err := flags.one(ctx, &configurations[i], j, &target, namespaces)
			if err != nil {
				return nil, err
			}
			results = append(results, *result)
		}
		if !found && len(names) > 0 {
			results = append(results, checked{Configuration: configurations[i].Name, Guarded: []string{}, Left: []webhook.Left{}, Findings: []webhook.Finding{
				{Level: webhook.LevelProblem, Check: "path", Text: "none of its webhooks calls the review endpoint of runecast"},
			}})
		}
	}
	return results, flags.unused(results)
}

// pick gives the configurations of some names, or all of a cluster.
func pick(ctx context.Context, client *cluster.Client, names []string) ([]webhook.Configuration, error) {
	if len(names) == 0 {
		return client.Configurations(ctx) //nolint:wrapcheck // it says what failed
	}
	var list []webhook.Configuration
	for _, name := range names {
		found, err := client.Configuration(ctx, name)
		if err != nil {
			return nil, err //nolint:wrapcheck // it says what failed
		}
		if found == nil {
			return nil, fmt.Errorf("there is no ValidatingWebhookConfiguration %s in the cluster: runecast webhook status lists them", name)
		}
		list = append(list, *found)
	}
	return list, nil
}

// one looks at one webhook.
func (f *checkFlags) one(ctx context.Context, configuration *webhook.Configuration, index int, target *webhook.Target, namespaces []webhook.Namespace) (*checked, error) {
	w := &configuration.Webhooks[index]
	guarded, left, err := webhook.Sort(w, namespaces)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", configuration.Name, err)
	}
	result := &checked{
		Configuration: configuration.Name, Webhook: w.Name, Policy: target.Policy, Target: target.String(), ServerName: target.ServerName, Guarded: guarded, Left: left,
	}
	now, soon := time.Now(), time.Duration(f.minDays)*24*time.Hour
	add := func(findings ...webhook.Finding) { result.Findings = append(result.Findings, findings...) }
	add(credential(target))
	add(webhook.InspectBundle(w.ClientConfig.CABundle, now, soon)...)
	if !f.offline {
		result.Address = f.address(target)
		presented, failure := cluster.Presented(ctx, result.Address, target.ServerName, f.timeout)
		if failure != nil {
			add(webhook.Finding{Level: webhook.LevelProblem, Check: "connection", Text: unreachable(target, result.Address, failure)})
		} else {
			certificate := webhook.JudgeCertificate(presented, w.ClientConfig.CABundle, target.ServerName, now, soon)
			add(certificate...)
			if certificate[0].Level != webhook.LevelProblem && target.Path && (target.Keyed || f.tokenFile != "") {
				add(f.answers(ctx, configuration, index, target, result.Address))
			}
		}
	}
	add(webhook.JudgeNamespaces(w, target, guarded, left)...)
	for _, risk := range webhook.Risks(w) {
		add(webhook.Finding{Level: webhook.LevelRisk, Check: "settings", Text: risk})
	}
	result.Good = !slices.ContainsFunc(result.Findings, func(found webhook.Finding) bool { return found.Level == webhook.LevelProblem })
	return result, nil
}

// credential says how the API server authenticates.
func credential(target *webhook.Target) webhook.Finding {
	found := webhook.Finding{Level: webhook.LevelOK, Check: "credential"}
	switch {
	case !target.Path:
		found.Level, found.Text = webhook.LevelProblem, "its path is not that of reviews: certgen puts it into the chart's configuration (certgen patch)"
	case target.Keyed:
		found.Text = "a review key is in the path"
	default:
		found.Text = "no key is in the path: every API server must have a token for " + strings.TrimSuffix(target.Address, ":443") + " (runecast controlplane plan)"
	}
	return found
}

// validate checks the flags by themselves.
func (f *checkFlags) validate() error {
	if f.minDays < 0 || f.timeout <= 0 {
		return errors.New("--min-days and --timeout must not be negative, nor --timeout 0")
	}
	for _, given := range f.addresses {
		_, address, found := strings.Cut(given, "=")
		if !found {
			address = given
		}
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			return fmt.Errorf("--address %q is no host:port, nor namespace/name=host:port", given)
		}
	}
	return nil
}

// unused gives an address for a Service that no webhook calls: a slip of the pen, by which another address would be asked.
func (f *checkFlags) unused(results []checked) error {
	for _, given := range f.addresses {
		service, _, found := strings.Cut(given, "=")
		if found && !slices.ContainsFunc(results, func(r checked) bool { return strings.HasPrefix(r.Target, "service "+service+":") }) {
			return fmt.Errorf("--address %s: none of the webhooks calls a Service %s", given, service)
		}
	}
	return nil
}

// address says where to connect to.
func (f *checkFlags) address(target *webhook.Target) string {
	name := target.Service.Namespace + "/" + target.Service.Name
	general := ""
	for _, given := range f.addresses {
		service, address, found := strings.Cut(given, "=")
		if !found {
			service, address = "", given
		}
		switch service {
		case name:
			return address
		case "":
			general = address
		}
	}
	if general != "" {
		return general
	}
	return target.Address
}

// unreachable says that nobody could be looked at, and what to do.
func unreachable(target *webhook.Target, address string, failure error) string {
	text := fmt.Sprintf("the server cannot be reached at %s from here, so its certificate was not looked at: %v", address, failure)
	if target.Service.Name == "" || address != target.Address {
		return text
	}
	_, port, _ := strings.Cut(target.Address, ":")
	return text + fmt.Sprintf(". Outside of the cluster run kubectl -n %s port-forward service/%s %s:%s, and give --address localhost:%s",
		target.Service.Namespace, target.Service.Name, port, port, port)
}

func tabulateChecks(t *table, results []checked) {
	if len(results) == 0 {
		t.row("No webhook of this cluster calls runecast: nothing is judged.")
		return
	}
	for i := range results {
		r := &results[i]
		if i > 0 {
			t.row("")
		}
		t.row(short(r.Configuration, 98) + ":")
		if r.Webhook != "" {
			t.row(short(r.Webhook, 98))
			t.row(short("policy "+r.Policy+", calls "+r.Target, 98))
		}
		t.row("")
		t.row("RESULT", "CHECK", "WHAT")
		for _, found := range r.Findings {
			t.wrapped(76, string(found.Level), found.Check, found.Text)
		}
	}
}
