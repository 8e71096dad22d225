package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"path"

	"go.yaml.in/yaml/v3"
)

const (
	plugin     = "ValidatingAdmissionWebhook"
	group      = "apiserver.config.k8s.io/v1"
	freshStart = "apiVersion: " + group + "\nkind: AdmissionConfiguration\nplugins: []\n"
)

type webhookPlugin struct {
	Name          string        `yaml:"name"`
	Configuration webhookConfig `yaml:"configuration"`
}

type webhookConfig struct {
	APIVersion     string `yaml:"apiVersion"`
	Kind           string `yaml:"kind"`
	KubeConfigFile string `yaml:"kubeConfigFile"`
}

// mergeAdmission gives an AdmissionConfiguration that has the plugins of another one and ours. The API server takes relative
// paths in it from the folder that it is in, so those of the other are made absolute from that folder.
func mergeAdmission(other []byte, folder string) ([]byte, error) {
	root, err := parseOne(other)
	if err != nil {
		return nil, err
	}
	if kind, version := scalar(root, "kind"), scalar(root, "apiVersion"); kind != "AdmissionConfiguration" || version != group {
		return nil, fmt.Errorf("it is %q of %q, not an AdmissionConfiguration of %s", kind, version, group)
	}
	_, plugins := field(root, "plugins")
	if plugins == nil || plugins.Kind != yaml.SequenceNode {
		return nil, errors.New("it has no list of plugins")
	}
	if has := named(plugins, plugin); has != nil {
		_, configuration := field(has, "configuration")
		if file := scalar(configuration, "kubeConfigFile"); file != KubeconfigFile {
			return nil, fmt.Errorf("it configures the plugin %s already (kubeConfigFile %q): add the user of the webhook to that kubeconfig by hand", plugin, file)
		}
		return other, nil
	}
	for _, item := range plugins.Content {
		if _, at := field(item, "path"); at != nil && at.Value != "" && !path.IsAbs(at.Value) {
			at.Value = path.Join(folder, at.Value)
		}
	}
	var ours yaml.Node
	if err := ours.Encode(webhookPlugin{plugin, webhookConfig{group, "WebhookAdmissionConfiguration", KubeconfigFile}}); err != nil {
		return nil, fmt.Errorf("write the plugin's configuration: %w", err)
	}
	plugins.Content = append(plugins.Content, &ours)
	plugins.Style &^= yaml.FlowStyle
	return encode(root)
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return b.Bytes(), nil
}
