package controlplane

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// golden compares a text with a file. RUNECAST_UPDATE_GOLDEN=1 writes the file anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("RUNECAST_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant, of %s:\n%s", got, name, want)
	}
}

// folders gives the folders of a folder.
func folders(t *testing.T, name string) []string {
	t.Helper()
	entries, err := os.ReadDir(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		if entry.IsDir() {
			all = append(all, filepath.Join(name, entry.Name()))
		}
	}
	return all
}

// editText edits a manifest.
func editText(text []byte) ([]byte, error) {
	m, err := parseManifest(text)
	if err != nil {
		return nil, err
	}
	return m.edit("")
}

// insertedLines gives the lines that a text has more than another one, in order, or false where it lacks or changes one.
func insertedLines(old, text string) ([]string, bool) {
	var more []string
	rest := strings.SplitAfter(old, "\n")
	for line := range strings.Lines(text) {
		if len(rest) > 0 && rest[0] == line {
			rest = rest[1:]
			continue
		}
		more = append(more, line)
	}
	return more, len(rest) == 1 && rest[0] == ""
}

// TestGoldenKubeadm edits what kubeadm itself wrote, version by version: the flag, three lines of a mount and four of a volume come
// in, and every other byte stays. `make controlplane-goldens` writes the manifests.
func TestGoldenKubeadm(t *testing.T) {
	t.Parallel()
	versions := folders(t, "testdata/kubeadm")
	if len(versions) != 6 {
		t.Errorf("versions %v", versions)
	}
	want := []string{
		"    - --admission-control-config-file=/etc/kubernetes/config/runecast-admission-configuration.yaml\n",
		"    - mountPath: /etc/kubernetes/config\n", "      name: etc-kubernetes-config\n", "      readOnly: true\n",
		"  - hostPath:\n", "      path: /etc/kubernetes/config\n", "      type: DirectoryOrCreate\n", "    name: etc-kubernetes-config\n",
	}
	for _, folder := range versions {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(folder, "kube-apiserver.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if image := "image: registry.k8s.io/kube-apiserver:v" + filepath.Base(folder) + "."; !strings.Contains(string(text), image) {
				t.Errorf("it has no %s", image)
			}
			edited, err := editText(text)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(folder, "expected.yaml"), string(edited))
			// The new volume begins as the one after it does, so the lines that are more may be told apart one line later.
			more, same := insertedLines(string(text), string(edited))
			slices.Sort(more)
			if sorted := slices.Sorted(slices.Values(want)); !same || !slices.Equal(more, sorted) {
				t.Errorf("all other lines stay %v, lines more:\n%s", same, strings.Join(more, ""))
			}
			if again, err := editText(edited); err != nil || !bytes.Equal(again, edited) {
				t.Errorf("a second edit: %v\n%s", err, again)
			}
			exact(t, text, edited)
		})
	}
}

// TestGoldenOdd edits manifests that people or other tools laid out: each comes out as its expected.yaml, which differs by the
// intended change alone, or is refused for the reason in refused.txt.
func TestGoldenOdd(t *testing.T) {
	t.Parallel()
	odd := folders(t, "testdata/odd")
	if len(odd) < 30 {
		t.Errorf("there are %d", len(odd))
	}
	for _, folder := range odd {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join(folder, "manifest.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			before := string(text)
			edited, err := editText(text)
			if string(text) != before {
				t.Error("the text that was read was changed")
			}
			expected, refused := filepath.Join(folder, "expected.yaml"), filepath.Join(folder, "refused.txt")
			if err != nil {
				golden(t, refused, err.Error()+"\n")
				if _, err := os.Stat(expected); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("it is refused, and has %s: %v", expected, err)
				}
				return
			}
			golden(t, expected, string(edited))
			if _, err := os.Stat(refused); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is edited, and has %s: %v", refused, err)
			}
			exact(t, text, edited)
			if again, err := editText(edited); err != nil || !bytes.Equal(again, edited) {
				t.Errorf("a second edit: %v\n%s", err, again)
			}
		})
	}
}

// FuzzEdit edits any text: it is refused, or comes out as the old manifest with exactly the intended change, and a second edit
// does nothing.
func FuzzEdit(f *testing.F) {
	for _, pattern := range []string{"testdata/kubeadm/*/kube-apiserver.yaml", "testdata/odd/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatal(pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<14 {
			return
		}
		before := string(text)
		edited, err := editText(text)
		if string(text) != before {
			t.Fatal("the text that was read was changed")
		}
		if err != nil {
			return
		}
		exact(t, text, edited)
		if again, err := editText(edited); err != nil || !bytes.Equal(again, edited) {
			t.Errorf("a second edit: %v\n%q", err, again)
		}
	})
}

// exact checks an edited manifest against a model that knows nothing of text: the change is made in the parsed old manifest, and
// the outcome must be the parsed edited one.
func exact(t *testing.T, text, edited []byte) {
	t.Helper()
	var want, got map[string]any
	if err := errors.Join(yaml.Unmarshal(text, &want), yaml.Unmarshal(edited, &got)); err != nil {
		t.Fatal(err)
	}
	spec := object(want["spec"])
	var server map[string]any
	for _, item := range list(spec["containers"]) {
		if object(item)["name"] == "kube-apiserver" && server == nil {
			server = object(item)
		}
	}
	server["command"] = flagged(server)
	before, err := parseManifest(text)
	if err != nil {
		t.Fatal(err)
	}
	if before.onNode(AdmissionFile) != AdmissionFile { // not mounted yet
		server["volumeMounts"] = append([]any{map[string]any{"mountPath": ConfigDir, "name": volume, "readOnly": true}}, list(server["volumeMounts"])...)
		spec["volumes"] = append([]any{map[string]any{"name": volume, "hostPath": map[string]any{"path": ConfigDir, "type": "DirectoryOrCreate"}}}, list(spec["volumes"])...)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("it is not the old manifest with the change and nothing else\nold  %q\nnew  %q\nwant %v\ngot  %v", text, edited, want, got)
	}
}

// flagged gives a container's command with the flag, and sets the flag in its args where it is there.
func flagged(server map[string]any) []any {
	for _, key := range []string{"command", "args"} {
		items := list(server[key])
		for i, item := range items {
			text, _ := item.(string)
			switch {
			case strings.HasPrefix(text, admissionFlag+"="):
				items[i] = admissionFlag + "=" + AdmissionFile
				return list(server["command"])
			case text == admissionFlag:
				items[i+1] = AdmissionFile
				return list(server["command"])
			}
		}
	}
	command := list(server["command"])
	return slices.Concat(command[:1], []any{admissionFlag + "=" + AdmissionFile}, command[1:])
}

func object(value any) map[string]any {
	o, _ := value.(map[string]any)
	return o
}

func list(value any) []any {
	l, _ := value.([]any)
	return l
}
