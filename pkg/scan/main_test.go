package scan_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain lets the benchmarks run this program again as the process that they measure.
func TestMain(m *testing.M) {
	if mode := os.Getenv(envMode); mode != "" {
		if err := child(mode); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
