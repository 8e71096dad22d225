package controlplane

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// otherBreaks are what YAML's parser counts as the end of a line too, but for the two that offset knows
// (https://yaml.org/spec/1.1/#id872420).
const otherBreaks = "\r\u0085\u2028\u2029"

// change is text that is put in at a byte of the manifest, in place of the bytes up to end.
type change struct {
	start, end int
	text       string
}

// edit gives the manifest with the flag, the volume and its mount, or its own bytes where it has them all. A word for restart
// is put into an annotation, so that the kubelet restarts the pod in any case.
func (m *manifest) edit(restart string) ([]byte, error) {
	changes, err := m.changes()
	if err == nil && restart != "" {
		var mark change
		mark, err = m.mark(restart)
		changes = append(changes, mark)
	}
	if err != nil || len(changes) == 0 {
		return m.text, err
	}
	return m.with(changes, m.verify)
}

// with carries changes out, and has what comes out looked at.
func (m *manifest) with(changes []change, verify func([]byte) error) ([]byte, error) {
	if rest := strings.ReplaceAll(string(m.text), "\r\n", "\n"); strings.ContainsAny(rest, otherBreaks) {
		return nil, errors.New("it has line breaks other than LF and CRLF: make the change by hand")
	}
	sort.SliceStable(changes, func(i, j int) bool { return changes[i].start > changes[j].start })
	edited := string(m.text)
	for _, c := range changes {
		edited = edited[:c.start] + c.text + edited[c.end:]
	}
	if err := verify([]byte(edited)); err != nil {
		return nil, fmt.Errorf("it is laid out in a way that cannot be edited safely (%w): make the change by hand", err)
	}
	return []byte(edited), nil
}

func (m *manifest) changes() ([]change, error) {
	var changes []change
	add := func(c change, err error) error {
		changes = append(changes, c)
		return err
	}
	wanted := admissionFlag + "=" + AdmissionFile
	switch {
	case m.flag == nil:
		if err := add(m.insert(m.command.Content[0], m.command, wanted, []string{wanted})); err != nil {
			return nil, err
		}
	case m.value != AdmissionFile:
		if err := add(m.replace(m.flag, m.value, AdmissionFile)); err != nil {
			return nil, err
		}
	}
	if host := m.onNode(AdmissionFile); host == AdmissionFile {
		return changes, nil // mounted already
	}
	if _, taken := m.hostPaths[volume]; taken {
		return nil, fmt.Errorf("it has a volume %s that is not mounted from and at %s: rename it, or set it right", volume, ConfigDir)
	}
	for _, mount := range m.mounts {
		if mount.Name == volume || strings.TrimSuffix(mount.MountPath, "/") == ConfigDir {
			return nil, fmt.Errorf("it mounts the volume %s at %s, where %s of the node must be", mount.Name, mount.MountPath, ConfigDir)
		}
	}
	if err := add(m.insert(m.mountsKey, m.volumeMounts, mountText, mountLines())); err != nil {
		return nil, err
	}
	err := add(m.insert(m.volumesKey, m.volumes, volumeText, volumeLines()))
	return changes, err
}

const (
	mountText  = `{"mountPath": "` + ConfigDir + `", "name": "` + volume + `", "readOnly": true}`
	volumeText = `{"hostPath": {"path": "` + ConfigDir + `", "type": "DirectoryOrCreate"}, "name": "` + volume + `"}`
)

func mountLines() []string {
	return []string{"mountPath: " + ConfigDir, "name: " + volume, "readOnly: true"}
}

func volumeLines() []string {
	return []string{"hostPath:", "  path: " + ConfigDir, "  type: DirectoryOrCreate", "name: " + volume}
}

// insert puts an item into a list: on lines of its own below the line of a node, or, in a list within brackets, in flow form
// where the first item begins. Flow form is JSON, so that a manifest in JSON stays one.
func (m *manifest) insert(below, list *yaml.Node, flow string, lines []string) (change, error) {
	if list.Style&yaml.FlowStyle != 0 {
		return m.insertFlow(list, flow)
	}
	ending := m.ending()
	at := m.offset(below.Line+1, 1)
	if at < 0 {
		return change{}, errors.New("it ends too early")
	}
	var b strings.Builder
	if at > 0 && m.text[at-1] != '\n' {
		b.WriteString(ending)
	}
	for i, line := range lines {
		b.WriteString(strings.Repeat(" ", list.Column-1))
		if i == 0 {
			b.WriteString("- ")
		} else {
			b.WriteString("  ")
		}
		b.WriteString(line + ending)
	}
	return change{at, at, b.String()}, nil
}

func (m *manifest) insertFlow(list *yaml.Node, flow string) (change, error) {
	before, after := list, ""
	if list == m.command { // its first item is the program
		flow = `"` + flow + `"`
		if len(list.Content) == 1 {
			return change{}, errors.New("its command has no flags")
		}
		before = list.Content[1]
	} else if len(list.Content) > 0 {
		before = list.Content[0]
	}
	at := m.offset(before.Line, before.Column)
	if at < 0 {
		return change{}, errors.New("a list is not where it should be")
	}
	if before == list {
		at++ // into the brackets
	} else {
		after = ", "
	}
	return change{at, at, flow + after}, nil
}

// replace puts a text in the place of another within a node that is on one line.
func (m *manifest) replace(node *yaml.Node, old, text string) (change, error) {
	start := m.offset(node.Line, node.Column)
	if start < 0 {
		return change{}, errors.New("the flag is not where it should be")
	}
	line, _, _ := strings.Cut(string(m.text[start:]), "\n")
	i := strings.Index(line, old)
	if i < 0 {
		return change{}, fmt.Errorf("the value of %s cannot be found on its line: write it plainly", admissionFlag)
	}
	return change{start + i, start + i + len(old), text}, nil
}

// mark puts the annotation in that restarts the pod, or changes it.
func (m *manifest) mark(restart string) (change, error) {
	pair := restartKey + `: "` + restart + `"`
	switch {
	case m.restarted != nil:
		return m.replace(m.restarted, m.restarted.Value, restart)
	case m.metadata == nil || m.metadata.Kind != yaml.MappingNode:
		return change{}, errors.New("it has no metadata, which the manifest of kubeadm has: set this API server up by hand")
	case m.annotations == nil:
		return m.insertPair(m.metadataKey, m.metadata, `"annotations": {"`+restartKey+`": "`+restart+`"}`, "annotations:", "  "+pair)
	case m.annotations.Kind != yaml.MappingNode:
		return change{}, errors.New("its annotations are no mapping")
	}
	return m.insertPair(m.annotationsKey, m.annotations, `"`+restartKey+`": "`+restart+`"`, pair)
}

// insertPair puts a key into a mapping, as insert puts an item into a list.
func (m *manifest) insertPair(below, mapping *yaml.Node, flow string, lines ...string) (change, error) {
	if mapping.Style&yaml.FlowStyle != 0 {
		at := m.offset(mapping.Line, mapping.Column)
		if at < 0 || m.text[at] != '{' {
			return change{}, errors.New("a mapping is not where it should be")
		}
		if len(mapping.Content) > 0 {
			flow += ", "
		}
		return change{at + 1, at + 1, flow}, nil
	}
	at := m.offset(below.Line+1, 1)
	if at < 0 || len(mapping.Content) == 0 {
		return change{}, errors.New("it ends too early")
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.Repeat(" ", mapping.Content[0].Column-1) + line + m.ending())
	}
	return change{at, at, b.String()}, nil
}

// ending is how the manifest's lines end.
func (m *manifest) ending() string {
	if strings.Contains(string(m.text), "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// offset gives the byte of a line and a column, which count from 1; the column counts characters. The line after the last is
// the end of the text; what is beyond gives -1.
func (m *manifest) offset(line, column int) int {
	rest, at := string(m.text), 0
	for range line - 1 {
		i := strings.IndexByte(rest, '\n')
		if i < 0 {
			i = len(rest) - 1
		}
		at += i + 1
		rest = rest[i+1:]
	}
	for range column - 1 {
		if rest == "" {
			return -1
		}
		_, size := utf8.DecodeRuneInString(rest)
		at += size
		rest = rest[size:]
	}
	return at
}

// verify checks that an edited manifest is the old one with the intended change and nothing else.
func (m *manifest) verify(edited []byte) error {
	after, err := parseManifest(edited)
	if err != nil {
		return err
	}
	if after.value != AdmissionFile || after.onNode(AdmissionFile) != AdmissionFile {
		return errors.New("the flag or the volume would not be there")
	}
	return m.sameBeside(edited)
}

// sameBeside checks that two manifests are the same but for what an edit may change.
func (m *manifest) sameBeside(edited []byte) error {
	var was, is any
	if err := yaml.Unmarshal(m.text, &was); err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	if err := yaml.Unmarshal(edited, &is); err != nil {
		return fmt.Errorf("read the edited manifest: %w", err)
	}
	if !reflect.DeepEqual(without(was), without(is)) {
		return errors.New("more than the flag and the volume would change")
	}
	return nil
}

// without takes from a parsed manifest all that an edit may change: the flag, the mount, the volume and the annotation. What is
// like them elsewhere, such as in another container by an alias, stays, so that a change of it shows.
func without(value any) any {
	pod, _ := value.(map[string]any)
	metadata, _ := pod["metadata"].(map[string]any)
	annotations, ok := metadata["annotations"].(map[string]any)
	if delete(annotations, restartKey); ok && len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	spec, _ := pod["spec"].(map[string]any)
	strip(spec, "volumes")
	containers, _ := spec["containers"].([]any)
	for _, item := range containers {
		if server, _ := item.(map[string]any); server["name"] == container {
			for _, list := range []string{"command", "args", "volumeMounts"} {
				strip(server, list)
			}
			break
		}
	}
	return value
}

// strip takes the flag, with its value where that is an item of its own, and what is named as the volume out of a list.
func strip(object map[string]any, key string) {
	list, ok := object[key].([]any)
	if !ok {
		return
	}
	var kept []any
	for i, item := range list {
		text, _ := item.(string)
		named, _ := item.(map[string]any)
		name, _, _ := strings.Cut(text, "=")
		afterFlag := i > 0 && list[i-1] == admissionFlag
		if name != admissionFlag && !afterFlag && named["name"] != volume {
			kept = append(kept, item)
		}
	}
	object[key] = kept
}
