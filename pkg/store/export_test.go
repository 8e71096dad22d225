package store

import (
	"context"
	"database/sql"
	"sync"
)

// Statement is a query that was sent to the database.
type Statement struct {
	Query string
	Args  []any
}

// Statements has a store note what it reads by while fn runs.
func (s *Store) Statements(fn func()) []Statement {
	noted := &noting{querier: s.reader}
	s.reader = noted
	defer func() { s.reader = noted.querier }()
	fn()
	return noted.list
}

type noting struct {
	querier

	mu   sync.Mutex
	list []Statement
}

func (n *noting) note(query string, args []any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, Statement{query, args})
}

func (n *noting) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	n.note(query, args)
	return n.querier.QueryContext(ctx, query, args...)
}

func (n *noting) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	n.note(query, args)
	return n.querier.QueryRowContext(ctx, query, args...)
}
