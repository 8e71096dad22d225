package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/runecast/runecast/pkg/auth"
)

const (
	firstUser       = "admin"
	maxPasswordFile = 4 << 10 // bytes
)

// firstAdministrator makes the first user of the pages where there is none. Without one nobody can log in, and reviews go on: what
// fails is told to the log.
func firstAdministrator(ctx context.Context, config *Config, store auth.UserStore, auditor auth.Auditor, log logrus.FieldLogger) {
	if err := makeAdministrator(ctx, config, store, auditor, log); err != nil {
		log.WithError(err).Error("there may be nobody who can log in to the pages")
	}
}

func makeAdministrator(ctx context.Context, config *Config, store auth.UserStore, auditor auth.Auditor, log logrus.FieldLogger) error {
	users, err := store.Users(ctx)
	if err != nil || len(users) > 0 {
		return err //nolint:wrapcheck // it says all there is to say
	}
	given := ""
	if config.AdminPasswordFile != "" {
		if given, err = readPassword(config.AdminPasswordFile); err != nil {
			return err
		}
	}
	password, err := auth.AddUser(ctx, store, firstUser, auth.RoleAdministrator, given)
	switch {
	case errors.Is(err, auth.ErrUserExists): // another server of this database was first
		return nil
	case err != nil:
		return err //nolint:wrapcheck // it says all there is to say
	}
	auditor.Audit(ctx, &auth.AuditEntry{Actor: auth.System("first start"), Action: "user created", Subject: firstUser, Details: map[string]any{"role": auth.RoleAdministrator}})
	if given != "" {
		log.WithField("user", firstUser).Info("the first administrator has the password of adminPasswordFile until the first login")
		return nil
	}
	// The one secret that is told here, and this once.
	log.WithFields(logrus.Fields{"user": firstUser, "oneTimePassword": password}).Warn("the first administrator can log in once with this password, which is told here and never again")
	return nil
}

func readPassword(path string) (string, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read the first administrator's password: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxPasswordFile))
	if err != nil {
		return "", fmt.Errorf("read the first administrator's password: %w", err)
	}
	password := strings.TrimSpace(string(content))
	if password == "" {
		return "", fmt.Errorf("read the first administrator's password: %s is empty", path)
	}
	return password, nil
}
