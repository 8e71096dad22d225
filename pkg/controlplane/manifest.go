package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	admissionFlag = "--admission-control-config-file"
	container     = "kube-apiserver"
	volume        = "etc-kubernetes-config"
	// restartKey is an annotation whose change restarts the pod where nothing else in its manifest changes, as kubectl rollout
	// restart does with one of its own.
	restartKey = "runecast.com/restartedAt"
)

// manifest is a static pod's manifest with what an edit needs to know of it.
type manifest struct {
	text []byte

	command, volumeMounts, volumes    *yaml.Node
	commandKey, mountsKey, volumesKey *yaml.Node
	flag                              *yaml.Node // the item that has the flag's value, nil without the flag
	value                             string     // the flag's value
	metadataKey, metadata             *yaml.Node
	annotationsKey, annotations       *yaml.Node
	restarted                         *yaml.Node // value of the annotation that restarts the pod, nil without one
	args                              *yaml.Node
	mounts                            []mount
	hostPaths                         map[string]string // volume → path on the node
}

type mount struct {
	Name      string `yaml:"name"`
	MountPath string `yaml:"mountPath"`
	SubPath   string `yaml:"subPath"`
}

// parseManifest reads a manifest. It refuses what is not the one pod of an API server as kubeadm writes it.
func parseManifest(text []byte) (*manifest, error) {
	root, err := parseOne(text)
	if err != nil {
		return nil, err
	}
	if kind := scalar(root, "kind"); kind != "Pod" {
		return nil, fmt.Errorf("it is of kind %q, not a Pod", kind)
	}
	m := &manifest{text: text, hostPaths: map[string]string{}}
	_, spec := field(root, "spec")
	_, containers := field(spec, "containers")
	server := named(containers, container)
	if server == nil {
		return nil, fmt.Errorf("its pod has no container %s", container)
	}
	m.commandKey, m.command = field(server, "command")
	m.mountsKey, m.volumeMounts = field(server, "volumeMounts")
	m.volumesKey, m.volumes = field(spec, "volumes")
	for name, list := range map[string]*yaml.Node{"command": m.command, "volumeMounts": m.volumeMounts, "volumes": m.volumes} {
		if list == nil || list.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("it has no list %s, which the manifest of kubeadm has: set this API server up by hand", name)
		}
	}
	if len(m.command.Content) == 0 || path.Base(m.command.Content[0].Value) != container {
		return nil, fmt.Errorf("its command does not begin with %s, as that of kubeadm does: set this API server up by hand", container)
	}
	_, m.args = field(server, "args")
	if err := m.findFlag(m.command, m.args); err != nil {
		return nil, err
	}
	m.metadataKey, m.metadata = field(root, "metadata")
	m.annotationsKey, m.annotations = field(m.metadata, "annotations")
	_, m.restarted = field(m.annotations, restartKey)
	if err := m.findVolumes(); err != nil {
		return nil, err
	}
	return m, nil
}

// findFlag finds the flag in the command and in the arguments.
func (m *manifest) findFlag(lists ...*yaml.Node) error {
	for _, list := range lists {
		if list == nil {
			continue
		}
		for i, item := range list.Content {
			name, value, joined := strings.Cut(item.Value, "=")
			if name != admissionFlag {
				continue
			}
			if m.flag != nil {
				return fmt.Errorf("it gives the flag %s twice: leave one", admissionFlag)
			}
			if !joined {
				if i+1 == len(list.Content) {
					return fmt.Errorf("its flag %s has no value", admissionFlag)
				}
				item = list.Content[i+1]
				value = item.Value
			}
			if value == "" {
				return fmt.Errorf("its flag %s has no value", admissionFlag)
			}
			m.flag, m.value = item, value
		}
	}
	return nil
}

func (m *manifest) findVolumes() error {
	if err := m.volumeMounts.Decode(&m.mounts); err != nil {
		return fmt.Errorf("read its volumeMounts: %w", err)
	}
	var volumes []struct {
		Name     string `yaml:"name"`
		HostPath *struct {
			Path string `yaml:"path"`
		} `yaml:"hostPath"`
	}
	if err := m.volumes.Decode(&volumes); err != nil {
		return fmt.Errorf("read its volumes: %w", err)
	}
	for _, v := range volumes {
		m.hostPaths[v.Name] = ""
		if v.HostPath != nil {
			m.hostPaths[v.Name] = v.HostPath.Path
		}
	}
	return nil
}

// onNode tells where on the node a path of the container is, or "" where no hostPath volume has it.
func (m *manifest) onNode(name string) string {
	var found, host string
	for _, mount := range m.mounts {
		at := path.Clean(mount.MountPath)
		if (name == at || strings.HasPrefix(name, strings.TrimSuffix(at, "/")+"/")) && len(at) > len(found) {
			found, host = at, ""
			if base := m.hostPaths[mount.Name]; base != "" {
				host = path.Join(base, mount.SubPath, strings.TrimPrefix(name, at))
			}
		}
	}
	return host
}

// parseOne reads the one YAML document of a text, and refuses keys that are there twice.
func parseOne(text []byte) (*yaml.Node, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("it is empty")
		}
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one YAML document")
	}
	var values map[string]any
	if err := document.Decode(&values); err != nil {
		return nil, fmt.Errorf("it is no YAML object: %w", err)
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is no YAML object")
	}
	return document.Content[0], nil
}

// field gives the key and the value of a mapping's field, nil where there is none.
func field(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

func scalar(mapping *yaml.Node, name string) string {
	if _, value := field(mapping, name); value != nil && value.Kind == yaml.ScalarNode {
		return value.Value
	}
	return ""
}

// named finds the item of a list by its name.
func named(list *yaml.Node, name string) *yaml.Node {
	if list == nil || list.Kind != yaml.SequenceNode {
		return nil
	}
	for _, item := range list.Content {
		if scalar(item, "name") == name {
			return item
		}
	}
	return nil
}

// arguments are the command line of the API server as the manifest has it, and so as its pod has it.
func (m *manifest) arguments() []string {
	var all []string
	for _, list := range []*yaml.Node{m.command, m.args} {
		if list == nil {
			continue
		}
		for _, item := range list.Content {
			all = append(all, item.Value)
		}
	}
	return all
}

// argument gives the value of a flag of the API server, or what it is without one.
func (m *manifest) argument(name, otherwise string) string {
	all := m.arguments()
	for i, item := range all {
		if value, ok := strings.CutPrefix(item, name+"="); ok {
			return value
		}
		if item == name && i+1 < len(all) {
			return all[i+1]
		}
	}
	return otherwise
}

// restartedAt is the value of the annotation, or "".
func (m *manifest) restartedAt() string {
	if m.restarted == nil {
		return ""
	}
	return m.restarted.Value
}
