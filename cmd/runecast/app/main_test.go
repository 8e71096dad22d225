package app_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/runecast/runecast/pkg/store/storetest"
)

// postgres is the server that this package's tests share; the first that needs it starts it.
var postgres storetest.Postgres

func TestMain(m *testing.M) {
	code := m.Run()
	if err := postgres.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}
