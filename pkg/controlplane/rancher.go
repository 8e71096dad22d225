package controlplane

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Configuration files of K3s and RKE2, and the file that RKE2 gives its API server unless it is told another one.
const (
	K3sConfigFile  = "/etc/rancher/k3s/config.yaml"
	RKE2ConfigFile = "/etc/rancher/rke2/config.yaml"
	RKE2Security   = "/etc/rancher/rke2/rke2-pss.yaml"
)

const (
	argsKey     = "kube-apiserver-arg"
	securityKey = "pod-security-admission-config-file"
	mountKey    = "kube-apiserver-extra-mount"
	extraMount  = ConfigDir + ":" + ConfigDir + ":ro"
)

// Flavour is what runs the API server of a control-plane node.
type Flavour string

// Flavours of nodes whose files can be planned.
const (
	FlavourKubeadm Flavour = "kubeadm"
	FlavourK3s     Flavour = "k3s"
	FlavourRKE2    Flavour = "rke2"
)

// Detect tells by its files what runs a node's API server.
func Detect(root string) (Flavour, error) {
	d, done, err := newDisk(root)
	if err != nil {
		return "", err
	}
	defer func() { _ = done() }() // nothing was written
	return detect(d)
}

func detect(d disk) (Flavour, error) {
	var found []Flavour
	for _, trace := range []struct {
		name    string
		flavour Flavour
	}{
		{ManifestFile, FlavourKubeadm},
		{"/var/lib/rancher/k3s/server", FlavourK3s},
		{"/var/lib/rancher/rke2/server", FlavourRKE2},
	} {
		_, err := d.lstat(trace.name)
		if err == nil {
			found = append(found, trace.flavour)
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return "", fmt.Errorf("look for %s of the node: %w", trace.name, err)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("this is no control-plane node of kubeadm, K3s or RKE2, or --root is not its file system: there is no %s, "+
			"/var/lib/rancher/k3s/server or /var/lib/rancher/rke2/server", ManifestFile)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("this node has files of %s and of %s: say which with --flavour", found[0], found[1])
}

// draftRancher drafts the two files that all flavours have, and the settings that change.
func (d *draft) draftRancher(files disk, options Options) error {
	data, config := "/var/lib/rancher/k3s/server", K3sConfigFile
	if d.flavour == FlavourRKE2 {
		data, config = "/var/lib/rancher/rke2/server", RKE2ConfigFile
	}
	all, err := loadSettings(files, config)
	if err != nil {
		return err
	}
	if _, missing := files.lstat(data); missing != nil && all[0].old == nil && len(all) == 1 {
		return fmt.Errorf("this is no server of %s, or --root is not its file system: there is neither %s nor %s", d.flavour, data, config)
	}
	if failed := d.draftKubeconfig(files, options.Token); failed != nil {
		return failed
	}
	used, err := all.point(d.flavour)
	if err != nil {
		return err
	}
	if failed := d.draftUsed(files, used); failed != nil {
		return failed
	}
	d.configs, err = all.targets(owned, func(after settings) error {
		now, failed := after.point(d.flavour)
		for _, f := range after {
			if failed == nil && (len(f.changes) > 0 || now != AdmissionFile) {
				failed = errors.New("the flag or the mount would not be there")
			}
		}
		return failed
	})
	return err
}

// owned tells whether a value of a key is one that a plan may put in, change or take away.
func owned(key, value string) bool {
	name, _, _ := strings.Cut(value, "=")
	return key == argsKey && "--"+strings.TrimLeft(name, "-") == admissionFlag || key == securityKey || key == mountKey && value == extraMount
}

// point has the settings name our admission configuration, and gives the one that they named before.
func (s settings) point(flavour Flavour) (string, error) {
	args, _, err := s.find(argsKey)
	if err != nil {
		return "", err
	}
	var used string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg.node.Value, "=")
		if name = "--" + strings.TrimLeft(name, "-"); strings.TrimRight(name, "+-") != admissionFlag {
			continue
		}
		if used != "" || name != admissionFlag || !path.IsAbs(value) {
			return "", fmt.Errorf("%s: %q: give %s once, with an absolute path", arg.file.path, arg.node.Value, admissionFlag)
		}
		if used = value; used != AdmissionFile {
			if err := arg.replace(value, AdmissionFile); err != nil {
				return "", err
			}
		}
	}
	if flavour == FlavourK3s {
		if used != "" {
			return used, nil
		}
		return AdmissionFile, s.add(argsKey, strings.TrimPrefix(admissionFlag, "--")+"="+AdmissionFile)
	}
	if err := s.mount(); err != nil || used != "" {
		return used, err
	}
	return s.pointSecurity()
}

// pointSecurity has the setting of RKE2 name our admission configuration, and gives the one that RKE2 used before.
func (s settings) pointSecurity() (string, error) {
	values, first, err := s.find(securityKey)
	if err != nil {
		return "", err
	}
	if first == nil {
		s.addKey(securityKey + ": " + AdmissionFile)
		return RKE2Security, nil
	}
	if len(values) != 1 || !path.IsAbs(values[0].node.Value) {
		return "", fmt.Errorf("%s: %s must be one absolute path", first.file.path, securityKey)
	}
	used := values[0].node.Value
	if used == AdmissionFile {
		return used, nil
	}
	return used, values[0].replace(used, AdmissionFile)
}

// mount has RKE2 mount our folder, unless a mount that is there brings it (source:destination and options, addExtraMounts of
// pkg/staticpod/staticpod.go).
func (s settings) mount() error {
	values, _, err := s.find(mountKey)
	if err != nil {
		return err
	}
	m := &manifest{hostPaths: map[string]string{}}
	for i, v := range values {
		if parts := strings.Split(v.node.Value, ":"); len(parts) > 1 {
			name := strconv.Itoa(i)
			m.mounts, m.hostPaths[name] = append(m.mounts, mount{Name: name, MountPath: parts[1]}), parts[0]
			if path.Clean(parts[1]) == ConfigDir && path.Clean(parts[0]) != ConfigDir {
				return fmt.Errorf("%s: %q: %s of the node must be there", v.file.path, v.node.Value, ConfigDir)
			}
		}
	}
	if m.onNode(AdmissionFile) == AdmissionFile {
		return nil
	}
	return s.add(mountKey, extraMount)
}

// draftUsed drafts the admission configuration from the one that is used.
func (d *draft) draftUsed(files disk, used string) error {
	if _, err := files.lstat(AdmissionFile); used == AdmissionFile && errors.Is(err, fs.ErrNotExist) {
		if _, err := files.lstat(RKE2Security); err == nil { // the setting is there, the file is not
			used = RKE2Security
		}
	}
	err := d.draftMerged(files, used, used)
	if errors.Is(err, fs.ErrNotExist) && used == RKE2Security {
		return fmt.Errorf("%w: RKE2 writes it when it starts, so start RKE2 once", err)
	}
	return err
}
