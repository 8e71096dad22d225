package controlplane

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

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
)

// Options say what to set up.
type Options struct {
	Root    string // folder that the node's file system is mounted at; "" and "/" are this machine
	Address string // host:port of the webhook, as its configuration names it
	Token   string // API token; "" where it is not known yet, and then one that is there is right
	// Flavour is what runs the API server (default: by the node's files).
	Flavour Flavour
	// Now is the time that a manifest is marked with to restart its pod where nothing else in it changes (default time.Now).
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now == nil {
		return time.Now()
	}
	return o.Now()
}

// FileChange is what one file needs.
type FileChange struct {
	Path   string `json:"path"`           // on the node, without the root
	Action string `json:"action"`         // none, create or update
	Diff   string `json:"diff,omitempty"` // unified, without tokens
	Mode   string `json:"mode,omitempty"` // how the permissions change, "0644 to 0600"; "" where they stay
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
	// Service is the unit to restart on the node afterwards, for its API server to read the files (K3s, RKE2); "" for kubeadm.
	Service string `json:"service,omitempty"`
}

// Make reads a node's files and says what they need. It changes nothing. Its errors name the file, and have no token.
func Make(options Options) (*Plan, error) {
	made, err := currentDraft(options)
	if err != nil {
		return nil, err
	}
	return made.plan()
}

// target is a file as it is, nil where there is none, and as it must be.
type target struct {
	path string
	old  *content
	new  content
	// private: lines beside a change may have secrets in them, and are not shown.
	private bool
}

func (t *target) same() bool {
	return t.old != nil && bytes.Equal(t.old.text, t.new.text) && t.old.mode == t.new.mode
}

// draft is a plan with the bytes of its files.
type draft struct {
	flavour               Flavour
	kubeconfig, admission target
	configs               []target // what names the admission configuration: the manifest, or the settings of K3s and RKE2
	user                  string
	token                 string // what the API server is to have; "" where it is not known
	before                *manifest
}

// targets are the files in the order in which they must be written.
func (d *draft) targets() []*target {
	all := []*target{&d.kubeconfig, &d.admission}
	for i := range d.configs {
		all = append(all, &d.configs[i])
	}
	return all
}

func (d *draft) done() bool {
	return !slices.ContainsFunc(d.targets(), func(t *target) bool { return !t.same() })
}

// manifest is the static pod's manifest, nil where the flavour has none.
func (d *draft) manifest() *target {
	if d.flavour != FlavourKubeadm {
		return nil
	}
	return &d.configs[0]
}

func makeDraft(d disk, options Options) (*draft, error) { return draftAgain(d, options, "") }

// draftAgain drafts for a run that goes on with one which was ended: it marked, or meant to mark, the manifest with a word, "" where it
// did not.
func draftAgain(d disk, options Options, restart string) (*draft, error) {
	user, err := userName(options.Address)
	if err != nil {
		return nil, err
	}
	flavour := options.Flavour
	if flavour == "" {
		if flavour, err = detect(d); err != nil {
			return nil, err
		}
	}
	made := &draft{flavour: flavour, user: user}
	switch flavour {
	case FlavourKubeadm:
		err = made.draftKubeadm(d, options, restart)
	case FlavourK3s, FlavourRKE2:
		err = made.draftRancher(d, options)
	default:
		err = fmt.Errorf("flavour %q: write kubeadm, k3s or rke2", flavour)
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

func (d *draft) draftKubeadm(files disk, options Options, mark string) error {
	old, err := load(files, ManifestFile)
	if err != nil {
		return err
	}
	if old == nil {
		return fmt.Errorf("this is no control-plane node of kubeadm, or --root is not its file system: there is no %s", ManifestFile)
	}
	if d.before, err = parseManifest(old.text); err != nil {
		return fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	if failed := d.draftKubeconfig(files, options.Token); failed != nil {
		return failed
	}
	if failed := d.draftAdmission(files); failed != nil {
		return failed
	}
	if mark == d.before.restartedAt() {
		mark = ""
	}
	edited, err := d.before.edit(mark)
	if err == nil && bytes.Equal(edited, old.text) && (!d.kubeconfig.same() || !d.admission.same()) {
		edited, err = d.before.edit(options.now().UTC().Format(time.RFC3339))
	}
	if err != nil {
		return fmt.Errorf("manifest %s: %w", ManifestFile, err)
	}
	d.configs = []target{{path: ManifestFile, old: old, new: content{text: edited, mode: old.mode, uid: old.uid, gid: old.gid}}}
	return nil
}

func (d *draft) draftKubeconfig(files disk, token string) error {
	old, err := load(files, KubeconfigFile)
	if err != nil {
		return err
	}
	t := target{path: KubeconfigFile, old: old, new: content{mode: 0o600, uid: os.Getuid(), gid: os.Getgid()}}
	var text []byte
	if old != nil {
		text, t.new.uid, t.new.gid = old.text, old.uid, old.gid
		t.new.mode = old.mode &^ 0o077 // the token is root's alone
	}
	if d.token = token; token == "" {
		d.token = tokenOf(text, d.user)
	}
	wanted := d.token
	if wanted == "" {
		wanted = noToken
	}
	if t.new.text, err = mergeKubeconfig(text, d.user, wanted); err != nil {
		return fmt.Errorf("kubeconfig %s: %w: move it away, or set it right", KubeconfigFile, err)
	}
	d.kubeconfig = t
	return nil
}

func (d *draft) draftAdmission(files disk) error {
	name, onNode := AdmissionFile, AdmissionFile
	if m := d.before; m.flag != nil && m.value != AdmissionFile { // another one is in use: its plugins are kept
		if name, onNode = m.value, m.onNode(m.value); onNode == "" {
			return fmt.Errorf("manifest %s: %s names %s, which no hostPath volume of the pod has", ManifestFile, admissionFlag, name)
		}
	}
	return d.draftMerged(files, name, onNode)
}

// draftMerged drafts the admission configuration: ours as it is, or the one of a name, which the node has at a path, with ours in it.
func (d *draft) draftMerged(files disk, name, onNode string) error {
	old, err := load(files, AdmissionFile)
	if err != nil {
		return err
	}
	t := target{path: AdmissionFile, old: old, new: content{mode: 0o644, uid: os.Getuid(), gid: os.Getgid()}}
	base := []byte(freshStart)
	if old != nil {
		base = old.text
		t.new.mode, t.new.uid, t.new.gid = old.mode, old.uid, old.gid
	}
	if name != AdmissionFile {
		var used *content
		if used, err = load(files, onNode); err == nil && used == nil {
			err = fmt.Errorf("there is no %s: %w", onNode, fs.ErrNotExist)
		}
		if err != nil {
			return fmt.Errorf("the admission configuration that the API server uses: %w", err)
		}
		base = used.text
	}
	if t.new.text, err = mergeAdmission(base, path.Dir(name)); err != nil {
		return fmt.Errorf("admission configuration %s: %w", name, err)
	}
	d.admission = t
	return nil
}

// service is the unit that runs the API server, "" where the kubelet does.
func (d *draft) service() string {
	switch d.flavour {
	case FlavourK3s:
		return "k3s"
	case FlavourRKE2:
		return "rke2-server"
	case FlavourKubeadm:
	}
	return ""
}

// plan shows a draft, without tokens.
func (d *draft) plan() (*Plan, error) {
	plan, err := d.show(d.targets())
	if err != nil {
		return nil, err
	}
	if m := d.manifest(); m != nil {
		plan.Restarts = !m.same()
	}
	plan.Service = d.service()
	return plan, nil
}

// show gives the plan of files.
func (d *draft) show(targets []*target) (*Plan, error) {
	plan := &Plan{Done: true}
	for _, t := range targets {
		plan.Done = plan.Done && t.same()
		old, text := []byte(nil), t.new.text
		var err error
		if t.old != nil {
			old = t.old.text
		}
		if t == &d.kubeconfig {
			old, text, err = d.redacted(old, text)
		}
		if err != nil {
			return nil, fmt.Errorf("show %s: %w", t.path, err)
		}
		context := around
		if t.private {
			context = 0
		}
		change, err := compare(t.path, old, text, context)
		if err != nil {
			return nil, err
		}
		if t.old != nil && t.old.mode != t.new.mode {
			change.Action, change.Mode = ActionUpdate, fmt.Sprintf("%04o to %04o", t.old.mode, t.new.mode)
		}
		plan.Files = append(plan.Files, change)
	}
	return plan, nil
}

// redacted gives the kubeconfig as it is and as it will be without credentials, so that a new token shows as a change.
func (d *draft) redacted(old, text []byte) (was, is []byte, err error) {
	if bytes.Equal(old, text) {
		return nil, nil, nil
	}
	if was, err = redact(old, d.user, noToken); err != nil {
		return nil, nil, err
	}
	word := noToken
	if old != nil && tokenOf(old, d.user) != tokenOf(text, d.user) {
		word = newToken
	}
	is, err = redact(text, d.user, word)
	return was, is, err
}

// compare gives the change from the old content of a file, nil where there is none, to the new one, with some lines around it.
func compare(name string, old, text []byte, context int) (FileChange, error) {
	change := FileChange{Path: name, Action: ActionUpdate}
	from := name
	switch {
	case bytes.Equal(old, text):
		change.Action = ActionNone
		return change, nil
	case old == nil:
		change.Action, from = ActionCreate, "/dev/null"
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(old), B: lines(text), FromFile: from, ToFile: name, Context: context,
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
