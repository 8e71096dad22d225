package app

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/store"
)

func newUser(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Create, list and delete users of the pages, and reset their passwords",
		Long: `Users log in to the pages of the server. These commands work on the database itself: with them somebody who may
read and write it gets in again when nobody can log in any more. A running server takes notice at once.

Users whom an OpenID provider vouches for are listed too. They have no password here, and their role comes from
their groups at each login.`,
		Args: cobra.NoArgs,
	}
	addStoreFlags(cmd.PersistentFlags())
	cmd.AddCommand(newUserCreate(c), newUserList(c), newUserResetPassword(c), newUserDelete(c))
	return cmd
}

// oneTimeJSON is a one-time password, which no other output ever has.
type oneTimeJSON struct {
	Name     string `json:"name"`
	Password string `json:"oneTimePassword"`
}

func (c *command) printPassword(output *outputFlag, name, password string) error {
	return output.print(c.streams.Out, oneTimeJSON{name, password}, func(t *table) {
		t.row("name", name)
		t.row("one-time password", password)
		t.row("")
		t.row("Keep the password now: it cannot be shown again. At the first login another one is chosen.")
	})
}

func newUserCreate(c *command) *cobra.Command {
	var (
		output outputFlag
		role   string
	)
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a user and print a one-time password, this once",
		Example: `  runecast user create alice
  runecast user create alice --role administrator -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			parsed, err := auth.ParseRole(role)
			if err != nil {
				return err //nolint:wrapcheck // it names the value and the choices
			}
			if err := output.check(); err != nil {
				return err
			}
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				password, err := auth.AddUser(cmd.Context(), s, args[0], parsed, "")
				if err != nil {
					return err //nolint:wrapcheck // it says all there is to say
				}
				c.audit(cmd.Context(), s, "user created", args[0], map[string]any{"role": parsed})
				return c.printPassword(&output, args[0], password)
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", string(auth.RoleReadOnly), `"Administrator", or "Read-only"`)
	output.add(cmd)
	return cmd
}

func newUserList(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List users",
		Example: "  runecast user list\n  runecast user list -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				users, err := s.Users(cmd.Context())
				if err != nil {
					return fmt.Errorf("list users: %w", err)
				}
				if users == nil {
					users = []auth.User{}
				}
				return output.print(c.streams.Out, users, func(t *table) {
					t.row("NAME", "ROLE", "SOURCE", "PASSWORD", "CREATED", "LAST LOGIN")
					for i := range users {
						u := &users[i]
						t.row(short(u.Name, 40), string(u.Role), string(u.Source), passwordKind(u), u.CreatedAt.Local().Format(time.DateOnly), day(u.SeenAt))
					}
				})
			})
		},
	}
	output.add(cmd)
	return cmd
}

func passwordKind(u *auth.User) string {
	switch {
	case u.Source != auth.SourceLocal:
		return "none"
	case u.MustChange:
		return "one-time"
	default:
		return "own"
	}
}

func newUserResetPassword(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "reset-password NAME",
		Short:   "Give a user a one-time password, print it, this once, and end their sessions",
		Example: "  runecast user reset-password admin\n  runecast user reset-password admin -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := output.check(); err != nil {
				return err
			}
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				password, err := auth.ResetPassword(cmd.Context(), s, args[0])
				if err != nil {
					return userHint(err)
				}
				c.audit(cmd.Context(), s, "password reset", args[0], nil)
				return c.printPassword(&output, args[0], password)
			})
		},
	}
	output.add(cmd)
	return cmd
}

func newUserDelete(c *command) *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Short:   "Delete a user and end their sessions",
		Long:    "Deletes a user and ends their sessions. The last administrator who has a password is not deleted.",
		Example: "  runecast user delete alice",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withStore(cmd.Context(), func(s *store.Store) error {
				found, err := s.DeleteUser(cmd.Context(), args[0])
				if err != nil {
					return err //nolint:wrapcheck // it says all there is to say
				}
				if !found {
					return fmt.Errorf("there is no user %q: see runecast user list", args[0])
				}
				c.audit(cmd.Context(), s, "user deleted", args[0], nil)
				if _, err := fmt.Fprintf(c.streams.Out, "user %s is deleted, and their sessions have ended\n", args[0]); err != nil {
					return fmt.Errorf("write: %w", err)
				}
				return nil
			})
		},
	}
}

// userHint tells where to find the names.
func userHint(err error) error {
	if errors.Is(err, auth.ErrNoUser) {
		return fmt.Errorf("%w: see runecast user list", err)
	}
	return err
}
