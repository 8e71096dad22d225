package impact_test

import (
	"os"
	"testing"

	"github.com/runecast/runecast/pkg/store/storetest"
)

// postgres is the server that this package's tests share; the first that needs it starts it.
var postgres storetest.Postgres

func TestMain(m *testing.M) { os.Exit(postgres.Run(m)) }
