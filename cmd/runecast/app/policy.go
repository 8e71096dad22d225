package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/runecast/runecast/pkg/policy"
)

// loadPolicies joins the built-in policies and those of the configured files. All errors of all files are given at once.
func loadPolicies(config *Config) (*policy.Set, error) {
	set, err := policy.NewSet(policy.BuiltInOptions{AllowedRegistries: config.AllowedRegistries})
	if err != nil {
		return nil, fmt.Errorf("make the built-in policies: %w", err)
	}
	names, err := policyFiles(config.PolicyFiles)
	errs := []error{err}
	for _, name := range names {
		next, err := loadPolicyFile(set, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		set = next
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return set, nil
}

// policyFiles puts the files *.yaml and *.yml of a directory, such as a mounted ConfigMap, in its place, in the order of their names.
func policyFiles(names []string) ([]string, error) {
	var files []string
	var errs []error
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() { // what cannot be opened is told when it is read
			files = append(files, name)
			continue
		}
		entries, err := os.ReadDir(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read policies: %w", err))
			continue
		}
		before := len(files)
		for _, entry := range entries { // of a ConfigMap, hidden directories too: their names begin with two dots and have no ending
			if ending := filepath.Ext(entry.Name()); ending == ".yaml" || ending == ".yml" {
				files = append(files, filepath.Join(name, entry.Name()))
			}
		}
		if len(files) == before {
			errs = append(errs, fmt.Errorf("read policies: the directory %s has no file that ends in .yaml or .yml", name))
		}
	}
	return files, errors.Join(errs...)
}

func loadPolicyFile(set *policy.Set, name string) (*policy.Set, error) {
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	defer file.Close()
	next, err := set.Load(file, name)
	if err != nil {
		return nil, fmt.Errorf("policies of %s: %w", name, err)
	}
	return next, nil
}

// findPolicy gives a policy by id, with the ids there are where it does not exist.
func findPolicy(set *policy.Set, id string) (*policy.Policy, error) {
	if p, ok := set.Get(id); ok {
		return p, nil
	}
	return nil, fmt.Errorf("there is no policy with the id %q: see runecast policy list", id)
}

func newPolicy(c *command) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "List, show and check policies", Args: cobra.NoArgs}
	addPolicyFlags(cmd.PersistentFlags())
	cmd.AddCommand(newPolicyList(c), newPolicyShow(c), newPolicyValidate(c))
	return cmd
}

// policyRow is one policy in a list.
type policyRow struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Mode   policy.Mode `json:"mode"`
	Source string      `json:"source"`
	Rules  int         `json:"rules"`
}

func newPolicyList(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List policies; a file of policies is checked by it as well",
		Example: "  runecast policy list\n  runecast policy list --policy-files policies.yaml -o json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			set, err := loadPolicies(&c.config)
			if err != nil {
				return err
			}
			rows := []policyRow{}
			for _, p := range set.List() {
				rows = append(rows, policyRow{ID: p.ID, Name: p.Name, Mode: p.Mode, Source: string(p.Source), Rules: len(p.Rules)})
			}
			return output.print(c.streams.Out, rows, func(t *table) {
				t.row("ID", "NAME", "MODE", "SOURCE")
				for _, r := range rows {
					t.row(r.ID, short(r.Name, 65), string(r.Mode), short(r.Source, 20))
				}
			})
		},
	}
	output.add(cmd)
	return cmd
}

func newPolicyShow(c *command) *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a policy as YAML, in the form that policy files have",
		Example: "  runecast policy show 2\n  runecast policy show 2 -o json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			set, err := loadPolicies(&c.config)
			if err != nil {
				return err
			}
			p, err := findPolicy(set, args[0])
			if err != nil {
				return err
			}
			if !output.isTable() {
				return output.print(c.streams.Out, p, func(*table) {})
			}
			encoder := yaml.NewEncoder(c.streams.Out)
			encoder.SetIndent(2)
			if err := encoder.Encode(map[string]any{"policies": []*policy.Policy{p}}); err != nil {
				return fmt.Errorf("write policy %s as YAML: %w", p.ID, err)
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return []cobra.Completion{"1", "2", "3", "4", "5"}, cobra.ShellCompDirectiveNoFileComp
		},
	}
	output.add(cmd)
	return cmd
}
