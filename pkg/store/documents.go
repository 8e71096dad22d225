package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// putDocument stores a document under a digest by a statement that takes digest, time and document.
func (s *Store) putDocument(ctx context.Context, statement, digest string, document any) error {
	if digest == "" {
		return errors.New("it has no digest")
	}
	packed, err := s.codec.pack(document)
	if err != nil {
		return err
	}
	return s.exec(ctx, statement, key(digest), time.Now().UnixMicro(), packed)
}

// exec runs a statement that may be run twice.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	return steadily(ctx, func() error {
		_, err := s.write.ExecContext(ctx, statement, args...)
		return err
	})
}

// execCount is exec and gives how many rows there were. A run that is repeated counts its own.
func (s *Store) execCount(ctx context.Context, statement string, args ...any) (rows int64, err error) {
	err = steadily(ctx, func() error {
		result, failure := s.write.ExecContext(ctx, statement, args...)
		if failure == nil {
			rows, failure = result.RowsAffected()
		}
		return failure
	})
	return rows, err
}

// document reads the document that a query finds into dst, and tells whether there is one.
func (s *Store) document(ctx context.Context, dst any, query string, args ...any) (bool, error) {
	var packed []byte
	err := steadily(ctx, func() error { return s.reader.QueryRowContext(ctx, query, args...).Scan(&packed) })
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.codec.unpack(packed, dst); err != nil {
		return false, fmt.Errorf("the stored document is damaged: %w", err)
	}
	return true, nil
}

// each calls fn for the rows of a query of our own texts and placeholders.
func (s *Store) each(ctx context.Context, query string, args []any, fn func(*sql.Rows) error) error {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, fn)
}
