package controlplane

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	noToken  = "(not shown)"
	newToken = "(new, not shown)" //nolint:gosec // shown in the place of a token
)

// kubeconfig gives the file with the token, for the user that is named as the webhook's host
// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#authenticate-apiservers).
func kubeconfig(user, token string) ([]byte, error) {
	type credential struct {
		Token string `yaml:"token"`
	}
	type named struct {
		Name string     `yaml:"name"`
		User credential `yaml:"user"`
	}
	return encode(struct {
		APIVersion string  `yaml:"apiVersion"`
		Kind       string  `yaml:"kind"`
		Users      []named `yaml:"users"`
	}{"v1", "Config", []named{{user, credential{token}}}})
}

// mergeKubeconfig gives a kubeconfig in which the user has the token, and its own bytes where he has it already. Other users stay.
func mergeKubeconfig(old []byte, user, token string) ([]byte, error) {
	if old == nil {
		return kubeconfig(user, token)
	}
	root, err := parseOne(old)
	if err != nil {
		return nil, err
	}
	if kind := scalar(root, "kind"); kind != "Config" {
		return nil, fmt.Errorf("it is of kind %q, not a Config", kind)
	}
	fresh, err := kubeconfig(user, token)
	if err != nil {
		return nil, err
	}
	ours, err := parseOne(fresh)
	if err != nil {
		return nil, err
	}
	_, from := field(ours, "users")
	_, users := field(root, "users")
	switch has := named(users, user); {
	case users == nil:
		key, _ := field(ours, "users")
		root.Content = append(root.Content, key, from)
	case users.Kind != yaml.SequenceNode:
		return nil, errors.New("its users are no list")
	case has == nil:
		users.Content = append(users.Content, from.Content...)
		users.Style &^= yaml.FlowStyle
	default:
		_, credential := field(has, "user")
		if credential == nil || credential.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("its user %s has no credential in it", user)
		}
		if len(credential.Content) == 2 && scalar(credential, "token") == token {
			return old, nil
		}
		_, wanted := field(from.Content[0], "user")
		credential.Content = wanted.Content
	}
	return encode(root)
}

// tokenOf gives the token of a user in a kubeconfig, or "".
func tokenOf(text []byte, user string) string {
	root, err := parseOne(text)
	if err != nil {
		return ""
	}
	_, users := field(root, "users")
	_, credential := field(named(users, user), "user")
	return scalar(credential, "token")
}

// redact gives a kubeconfig without the credentials of its users, for people to see.
func redact(text []byte, user, shown string) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	root, err := parseOne(text)
	if err != nil {
		return nil, err
	}
	if _, users := field(root, "users"); users != nil && users.Kind == yaml.SequenceNode {
		for _, item := range users.Content {
			word := noToken
			if scalar(item, "name") == user {
				word = shown
			}
			_, credential := field(item, "user")
			hide(credential, word)
		}
	}
	return encode(root)
}

// hide overwrites every value, and what is written about it.
func hide(node *yaml.Node, word string) {
	if node == nil {
		return
	}
	node.HeadComment, node.LineComment, node.FootComment = "", "", ""
	switch node.Kind {
	case yaml.MappingNode:
		for i := 1; i < len(node.Content); i += 2 {
			hide(node.Content[i], word)
		}
	case yaml.SequenceNode:
		for _, item := range node.Content {
			hide(item, word)
		}
	default:
		*node = yaml.Node{Kind: yaml.ScalarNode, Value: word}
	}
}

// userName gives the name that the API server looks a webhook's user up by: host:port, without the port 443.
func userName(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("address %q: write host:port, as in runecast-nginx.runecast.svc:9080: %w", address, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 || host == "" || strings.ContainsAny(host, "/@ ") {
		return "", fmt.Errorf("address %q: write host:port, as in runecast-nginx.runecast.svc:9080", address)
	}
	if number == 443 {
		return host, nil
	}
	return address, nil
}
