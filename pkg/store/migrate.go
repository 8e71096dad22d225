package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/sirupsen/logrus"
)

// migrations holds the steps that make the tables, which serve both databases. A step that was released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

// prepare brings the tables up to date. Openers of the same database, in this or another process, take turns, so that each
// step runs once.
func prepare(ctx context.Context, db *database, log logrus.FieldLogger) error {
	unlock, err := db.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	steps, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	listed, ok := steps.(fs.ReadDirFS)
	if !ok {
		return errors.New("the migrations cannot be listed")
	}
	provider, err := goose.NewProvider(db.dialect, db.write, dialectFS{listed, db.dialect}, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	has, needs, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	switch {
	case has == needs:
		return nil
	case has > needs:
		return fmt.Errorf("the database has schema version %d and this runecast knows versions up to %d: a newer runecast wrote it; "+
			"run that one, or restore a backup from before its first start", has, needs)
	case db.readOnly:
		return fmt.Errorf("the database has schema version %d, this runecast needs %d and may only read: open it for writing once", has, needs)
	}
	done, err := provider.Up(ctx)
	for _, step := range done {
		log.WithFields(logrus.Fields{"database": db.name, "version": step.Source.Version, "duration": step.Duration}).Info("database migrated")
	}
	if partial := (*goose.PartialError)(nil); errors.As(err, &partial) && partial.Failed != nil {
		return fmt.Errorf("migrate to schema version %d: %w", partial.Failed.Source.Version, partial.Err)
	}
	if err != nil {
		return fmt.Errorf("migrate to schema version %d: %w", needs, err)
	}
	return nil
}
