package app

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version is what the version command prints.
type Version struct {
	Version  string `json:"version"`  // module version, or (devel)
	Revision string `json:"revision"` // git commit it was built from; empty where the build did not know
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildVersion reads what the Go toolchain stamped into the program.
func buildVersion() Version {
	v := Version{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

func newVersion(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  runecast version\n  runecast version -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return output.print(c.streams.Out, v, func(t *table) {
				t.row("runecast", v.Version)
				t.row("revision", v.Revision)
				t.row("go", v.Go)
				t.row("platform", v.Platform)
			})
		},
	}
	output.add(cmd)
	return cmd
}
