package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/runecast/runecast/pkg/notify"
)

func addNotifyFlags(flags *pflag.FlagSet) {
	flags.String("public-url", "", "`https://host[:port]` where people find the pages: denials, warnings, scan requests and notifications link there (default none)")
	flags.StringSlice("notification-allow-networks", nil, "networks, addresses, `hosts` or *.domains that notifications may go to beside public addresses")
}

func newNotify(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try the destinations of notifications",
		Long: `The settings' notifications list says who is told of denials and flips: signed webhooks, Slack,
e-mail. It stands in the YAML file alone (--config); secrets are in files that it names.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newNotifyTest(c))
	return cmd
}

// notifyTest is what came of a test.
type notifyTest struct {
	Destination string  `json:"destination"`
	Type        string  `json:"type"`
	ID          string  `json:"id"` // of the notification
	Sent        bool    `json:"sent"`
	Answer      string  `json:"answer,omitempty"`
	Error       string  `json:"error,omitempty"`
	Permanent   bool    `json:"permanent,omitempty"` // a real one would be given up at once
	Seconds     float64 `json:"seconds"`
}

func newNotifyTest(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test to a destination now, and print what came back",
		Long: `Sends one notification of the type runecast.test.v1 to the destination of that name, once, and prints
what it said. Nothing is stored. It goes by the same rules as the server: from elsewhere than its pod other addresses
may be reached.

Exit codes: 0 the destination took it, 1 it did not, 2 an error.`,
		Example: `  runecast --config runecast.yaml notify test security-team
  runecast --config runecast.yaml notify test chat -o json
  kubectl -n runecast exec deploy/runecast-server -- /runecast notify test security-team`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			result, err := c.notifyTest(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := output.print(c.streams.Out, result, result.tabulate); err != nil {
				return err
			}
			if !result.Sent {
				return errDenied
			}
			return nil
		},
	}
	addNotifyFlags(cmd.Flags())
	output.add(cmd)
	return cmd
}

// notifyTest sends a test.
func (c *command) notifyTest(ctx context.Context, name string) (*notifyTest, error) {
	i := slices.IndexFunc(c.config.Notifications, func(d notify.Destination) bool { return d.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("the settings have no destination %q: their notifications are %s", name, namesOf(c.config.Notifications))
	}
	fence, err := newFence(&c.config)
	if err != nil {
		return nil, err
	}
	to := &c.config.Notifications[i]
	now := time.Now()
	n := &notify.Notification{
		ID: uuid.NewString(), Destination: name, Kind: notify.KindTest, CreatedAt: now, Content: notify.Content{Count: 1, First: now.UTC(), Last: now.UTC()},
	}
	result := &notifyTest{Destination: name, Type: string(to.Type), ID: n.ID}
	answer, err := notify.NewSink(to, fence, "runecast/"+buildVersion().Version, c.config.PublicURL).Send(ctx, n, now)
	result.Seconds = time.Since(now).Seconds()
	if err == nil {
		result.Sent, result.Answer = true, answer
		return result, nil
	}
	result.Error = err.Error()
	if failure, ok := errors.AsType[*notify.SendError](err); ok {
		result.Permanent = failure.Permanent
	}
	return result, nil
}

func namesOf(destinations []notify.Destination) string {
	if len(destinations) == 0 {
		return "none; they stand in the file that --config or RUNECAST_CONFIG names"
	}
	names := make([]string, 0, len(destinations))
	for i := range destinations {
		names = append(names, destinations[i].Name)
	}
	return strings.Join(names, ", ")
}

func (n *notifyTest) tabulate(t *table) {
	t.row("DESTINATION", "TYPE", "SENT", "SECONDS", "ANSWER")
	sent, answer := "yes", n.Answer
	if !n.Sent {
		sent, answer = "no", n.Error
	}
	t.wrapped(52, short(n.Destination, 24), n.Type, sent, fmt.Sprintf("%.2f", n.Seconds), answer)
}
