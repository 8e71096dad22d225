package store

import (
	"context"
	"database/sql"
	"iter"
	"strconv"
	"strings"
)

// maxRows is how many rows one statement writes.
const maxRows = 200

// transaction is a transaction that writes. On SQLite it keeps its statements where it is going to run them many times, as parsing is
// a large part of what a small one costs; the driver of PostgreSQL does so by itself.
type transaction struct {
	*sql.Tx

	keep    bool
	kept    map[string]*sql.Stmt
	dialect dialect
}

// begin begins a transaction, whose end is to be deferred.
func (s *Store) begin(ctx context.Context, many bool) (*transaction, error) {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &transaction{Tx: tx, keep: many && s.dialect == dialectSQLite, kept: map[string]*sql.Stmt{}, dialect: s.dialect}, nil
}

// end takes back what was not committed. After a commit it does nothing, and after a failure that failure is what counts.
func (tx *transaction) end() { _ = tx.Rollback() }

func (tx *transaction) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt := tx.kept[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	tx.kept[query] = stmt
	return stmt, nil
}

// exec runs a statement.
func (tx *transaction) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if !tx.keep {
		return tx.ExecContext(ctx, query, args...)
	}
	stmt, err := tx.statement(ctx, query) //nolint:sqlclosecheck // it ends with the transaction
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(ctx, args...)
}

// row runs a statement that gives one row.
func (tx *transaction) row(ctx context.Context, query string, args ...any) (*sql.Row, error) {
	if !tx.keep {
		return tx.QueryRowContext(ctx, query, args...), nil
	}
	stmt, err := tx.statement(ctx, query) //nolint:sqlclosecheck // it ends with the transaction
	if err != nil {
		return nil, err
	}
	return stmt.QueryRowContext(ctx, args...), nil
}

// each calls fn for a query's rows.
func (tx *transaction) each(ctx context.Context, query string, args []any, fn func(*sql.Rows) error) error {
	ask := tx.QueryContext
	if tx.keep {
		stmt, err := tx.statement(ctx, query)
		if err != nil {
			return err
		}
		ask = func(ctx context.Context, _ string, args ...any) (*sql.Rows, error) {
			return stmt.QueryContext(ctx, args...)
		}
	}
	rows, err := ask(ctx, query, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, fn)
}

// eachRow calls fn for all rows and closes them.
func eachRow(rows *sql.Rows, fn func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// rowsOf runs a statement for many rows of values, some at a time: $rows in it becomes ($1, $2), ($3, $4). types are what the columns
// are cast to, "" for none: PostgreSQL takes the values of a list that no table gives types for texts.
func (tx *transaction) rowsOf(ctx context.Context, statement string, types []string, values [][]any) error {
	for part := range tx.parts(values) {
		query, args := valuesOf(statement, types, part)
		if _, err := tx.exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// eachOf is rowsOf for a statement that gives rows, and calls fn for them.
func (tx *transaction) eachOf(ctx context.Context, statement string, types []string, values [][]any, fn func(*sql.Rows) error) error {
	for part := range tx.parts(values) {
		query, args := valuesOf(statement, types, part)
		if err := tx.each(ctx, query, args, fn); err != nil {
			return err
		}
	}
	return nil
}

// parts cuts rows into parts of few lengths, so that few statements are kept. They are shorter on SQLite, whose driver looks each value's
// name up in a list of all of the statement's.
func (tx *transaction) parts(values [][]any) iter.Seq[[][]any] {
	lengths := []int{32, 8}
	if tx.dialect == dialectPostgres {
		lengths = []int{maxRows, 32, 8}
	}
	return func(yield func([][]any) bool) {
		for len(values) > 0 {
			n := 1
			for _, length := range lengths {
				if length <= len(values) {
					n = length
					break
				}
			}
			if !yield(values[:n]) {
				return
			}
			values = values[n:]
		}
	}
}

// valuesOf puts rows into a statement.
func valuesOf(statement string, types []string, rows [][]any) (string, []any) {
	args := make([]any, 0, len(rows)*len(types))
	for _, row := range rows {
		args = append(args, row...)
	}
	return strings.Replace(statement, "$rows", places(types, len(rows)), 1), args
}

// places writes the placeholders of n rows.
func places(types []string, n int) string {
	var b strings.Builder
	for row := range n {
		if row > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('(')
		for i, kind := range types {
			if i > 0 {
				b.WriteString(", ")
			}
			number := "$" + strconv.Itoa(row*len(types)+i+1)
			if kind != "" {
				number = "CAST(" + number + " AS " + kind + ")"
			}
			b.WriteString(number)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// placeList writes n placeholders after those before: $3, $4.
func placeList(before, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(before+i+1))
	}
	return b.String()
}
