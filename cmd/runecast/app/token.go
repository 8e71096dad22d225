package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/store"
)

func newToken(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke API tokens",
		Long: `API tokens let the API server submit reviews. Several can be live at a time: create the
new one, give it to every API server, then revoke the old one. A running server takes
notice of a new token at once and of a revoked one within two seconds.`,
		Args: cobra.NoArgs,
	}
	addStoreFlags(cmd.PersistentFlags())
	cmd.AddCommand(newTokenCreate(c), newTokenList(c), newTokenRevoke(c))
	return cmd
}

// withStore opens the store for the time of one command.
func (c *command) withStore(ctx context.Context, do func(*store.Store) error) (err error) {
	s, err := openStore(ctx, &c.config, c.log)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.Close(); closeErr != nil && err == nil {
			err = fmt.Errorf("close the store: %w", closeErr)
		}
	}()
	return do(s)
}

// audit takes note of what a command did to the database. The log of a command tells warnings alone, and this is none.
func (c *command) audit(ctx context.Context, s *store.Store, action, subject string, details map[string]any) {
	entry := &auth.AuditEntry{Actor: auth.System("command line"), Action: action, Subject: subject, Details: details}
	auth.NewAuditLog(s, c.log, nil).Audit(ctx, entry)
}

func newTokenCreate(c *command) *cobra.Command {
	var (
		output     outputFlag
		name       string
		accessType string
		expiresIn  time.Duration
		quiet      bool
	)
	cmd := &cobra.Command{
		Use:   "create --name NAME",
		Short: "Create a token and print it, this once",
		Example: `  runecast token create --name "kube-apiserver"
  runecast token create --name webhook --access-type Review --expires-in 2160h
  runecast token create --name ci --quiet > token.txt`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			access, err := auth.ParseAccessType(accessType)
			if err != nil {
				return err //nolint:wrapcheck // it names the value and the choices
			}
			request := auth.IssueRequest{Name: name, AccessType: access}
			if expiresIn != 0 {
				request.ExpiresAt = time.Now().Add(expiresIn)
			}
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				secret, token, err := auth.Issue(cmd.Context(), s, request)
				if err != nil {
					return fmt.Errorf("create the token: %w", err)
				}
				c.audit(cmd.Context(), s, "token created", token.ID, map[string]any{"name": token.Name, "accessType": token.AccessType})
				return c.printToken(&output, secret, &token, quiet)
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "what the token is for")
	cmd.Flags().StringVar(&accessType, "access-type", string(auth.AccessGlobalAdmin), `"Global Admin", or "Review" to submit reviews only`)
	cmd.Flags().DurationVar(&expiresIn, "expires-in", 0, "`duration` after which it stops working (default never)")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the token alone")
	output.add(cmd)
	return cmd
}

// newTokenJSON is a new token with its secret, which no other output ever has.
type newTokenJSON struct {
	auth.Token
	Secret string `json:"token"`
}

func (c *command) printToken(output *outputFlag, secret string, token *auth.Token, quiet bool) error {
	if quiet {
		if _, err := fmt.Fprintln(c.streams.Out, secret); err != nil {
			return fmt.Errorf("print the token %s, which was created but never shown, revoke it: %w", token.ID, err)
		}
		return nil
	}
	return output.print(c.streams.Out, newTokenJSON{Token: *token, Secret: secret}, func(t *table) {
		t.row("token", secret)
		t.row("id", token.ID)
		t.row("name", token.Name)
		t.row("access type", string(token.AccessType))
		t.row("expires", moment(token.ExpiresAt, "never"))
		t.row("")
		t.row("Keep the token now: it is not stored and cannot be shown again.")
	})
}

func newTokenList(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List tokens, without their secrets",
		Example: "  runecast token list\n  runecast token list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				tokens, err := s.Tokens(cmd.Context())
				if err != nil {
					return fmt.Errorf("list tokens: %w", err)
				}
				return output.print(c.streams.Out, tokens, func(t *table) {
					t.row("ID", "NAME", "ACCESS TYPE", "STATUS", "CREATED", "EXPIRES", "LAST USED")
					for i := range tokens {
						k := &tokens[i]
						t.row(k.ID, short(k.Name, 20), string(k.AccessType), string(k.Status(time.Now())),
							k.CreatedAt.Local().Format(time.DateOnly), day(k.ExpiresAt), day(k.LastUsedAt))
					}
				})
			})
		},
	}
	output.add(cmd)
	return cmd
}

func newTokenRevoke(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token by its id",
		Example: "  runecast token revoke 3f9c2a1b",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				found, err := s.RevokeToken(cmd.Context(), args[0], time.Now())
				if err != nil {
					return fmt.Errorf("revoke token %s: %w", args[0], err)
				}
				if !found {
					return fmt.Errorf("there is no live token with the id %q: see runecast token list", args[0])
				}
				c.audit(cmd.Context(), s, "token revoked", args[0], nil)
				if _, err := fmt.Fprintf(c.streams.Out, "token %s is revoked; running servers refuse it within two seconds\n", args[0]); err != nil {
					return fmt.Errorf("write: %w", err)
				}
				return nil
			})
		},
	}
}

// moment writes a time for people, in their zone.
func moment(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateOnly)
}
