package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// Files of a node.
const (
	ConfigDir      = "/etc/kubernetes/config"
	ManifestFile   = "/etc/kubernetes/manifests/kube-apiserver.yaml"
	KubeconfigFile = ConfigDir + "/runecast-validating-webhook-kubeconfig.yaml"
	AdmissionFile  = ConfigDir + "/runecast-admission-configuration.yaml"
)

const (
	maxFile = 1 << 20 // bytes of a file that is read
	around  = 3       // lines around a change in a diff
	noToken = "(not shown)"
)

// Options say what to set up.
type Options struct {
	Root    string // folder that the node's file system is mounted at; "" and "/" are this machine
	Address string // host:port of the webhook, as its configuration names it
	Token   string // API token; "" where it is not known yet, and then one that is there is right
}

// FileChange is what one file needs.
type FileChange struct {
	Path   string `json:"path"`           // on the node, without the root
	Action string `json:"action"`         // none, create or update
	Diff   string `json:"diff,omitempty"` // unified, without tokens
}

// Actions that a file needs.
const (
	ActionNone   = "none"
	ActionCreate = "create"
	ActionUpdate = "update"
)

// Plan is what the files of a node need.
type Plan struct {
	Files    []FileChange `json:"files"`    // in the order in which they must be written
	Restarts bool         `json:"restarts"` // the kubelet restarts the API server when the plan is carried out
	Done     bool         `json:"done"`     // nothing is to be done
}

// Make reads a node's files and says what they need. It changes nothing. Its errors name the file, and have no token.
func Make(options Options) (*Plan, error) {
	user, err := userName(options.Address)
	if err != nil {
		return nil, err
	}
	text, err := read(options.Root, ManifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("this is no control-plane node of kubeadm, or --root is not its file system: %w", err)
	}
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(text)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	edited, err := m.edit()
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	kubeconfigChange, err := planKubeconfig(options, user)
	if err != nil {
		return nil, err
	}
	admissionChange, err := planAdmission(options.Root, m)
	if err != nil {
		return nil, err
	}
	manifestChange, err := compare(ManifestFile, text, edited)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Files: []FileChange{kubeconfigChange, admissionChange, manifestChange}, Restarts: manifestChange.Action != ActionNone, Done: true}
	for i := range plan.Files {
		plan.Done = plan.Done && plan.Files[i].Action == ActionNone
	}
	return plan, nil
}

func planKubeconfig(options Options, user string) (FileChange, error) {
	old, err := read(options.Root, KubeconfigFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return FileChange{}, err
	}
	shown, err := kubeconfig(user, noToken)
	if err != nil {
		return FileChange{}, err
	}
	if old == nil {
		return compare(KubeconfigFile, nil, shown)
	}
	token := tokenOf(old, user)
	if token != "" && (options.Token == "" || options.Token == token) {
		return FileChange{Path: KubeconfigFile, Action: ActionNone}, nil
	}
	// What else is in the file may be a credential too.
	return compare(KubeconfigFile, []byte("# another user or token, not shown\n"), shown)
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

func planAdmission(root string, m *manifest) (FileChange, error) {
	old, err := read(root, AdmissionFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return FileChange{}, err
	}
	base, name, folder := []byte(freshStart), AdmissionFile, ConfigDir
	switch {
	case m.flag != nil && m.value != AdmissionFile: // another one is in use: its plugins are kept
		name, folder = m.value, path.Dir(m.value)
		onNode := m.onNode(name)
		if onNode == "" {
			return FileChange{}, fmt.Errorf("manifest %s: %s names %s, which no hostPath volume of the pod has", ManifestFile, admissionFlag, name)
		}
		if base, err = read(root, onNode); err != nil {
			return FileChange{}, fmt.Errorf("the admission configuration that the API server uses: %w", err)
		}
	case old != nil:
		base = old
	}
	merged, err := mergeAdmission(base, folder)
	if err != nil {
		return FileChange{}, fmt.Errorf("admission configuration %s: %w", name, err)
	}
	return compare(AdmissionFile, old, merged)
}

// compare gives the change from the old content of a file, nil where there is none, to the new one.
func compare(name string, old, text []byte) (FileChange, error) {
	change := FileChange{Path: name, Action: ActionUpdate}
	from := name
	switch {
	case old == nil:
		change.Action, from = ActionCreate, "/dev/null"
	case bytes.Equal(old, text):
		change.Action = ActionNone
		return change, nil
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(old), B: lines(text), FromFile: from, ToFile: name, Context: around,
	})
	if err != nil {
		return change, fmt.Errorf("compare %s: %w", name, err)
	}
	change.Diff = diff
	return change, nil
}

// lines splits a text into lines that all end.
func lines(text []byte) []string {
	var all []string
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.TrimSuffix(line, "\n")+"\n")
	}
	return all
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

// open opens a file of the node. Links of a mounted file system do not lead out of it, into the one of this machine.
func open(root, name string) (*os.File, error) {
	if root == "" || root == "/" {
		return os.Open(name) //nolint:gosec // a path of the node's manifest; the caller says which file
	}
	return os.OpenInRoot(root, strings.TrimPrefix(path.Clean(name), "/"))
}

// read reads a regular file of the node.
func read(root, name string) ([]byte, error) {
	file, err := open(root, name)
	if err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, maxFile)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read %s of the node: %w", name, err)
	}
	return text, nil
}
