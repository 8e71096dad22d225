package controlplane

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// unedit gives the manifest without what edit put in, for a manifest that has changed since in other places. The flag gets the
// value that it had before, or goes where that is "".
func (m *manifest) unedit(flag string) ([]byte, error) {
	var changes []change
	cut := func(c change, err error) error {
		changes = append(changes, c)
		return err
	}
	var err error
	switch {
	case m.value != AdmissionFile: // somebody took it out, or set another
	case flag != "":
		err = cut(m.replace(m.flag, m.value, flag))
	default:
		wanted := admissionFlag + "=" + AdmissionFile
		err = cut(m.cut(m.flag, m.command, `"`+wanted+`"`, wanted))
	}
	if mount := named(m.volumeMounts, volume); err == nil && mount != nil && scalar(mount, "mountPath") == ConfigDir {
		err = cut(m.cut(mount, m.volumeMounts, mountText, mountLines()...))
	}
	if item := named(m.volumes, volume); err == nil && item != nil && m.hostPaths[volume] == ConfigDir {
		err = cut(m.cut(item, m.volumes, volumeText, volumeLines()...))
	}
	if err == nil && m.restarted != nil {
		err = cut(m.unmark())
	}
	if err != nil || len(changes) == 0 {
		return m.text, err
	}
	return m.with(changes, func(edited []byte) error { return m.verifyRemoved(edited, flag) })
}

// cut takes an item out of a list, if it is written as insert writes it.
func (m *manifest) cut(item, list *yaml.Node, flow string, lines ...string) (change, error) {
	if list.Style&yaml.FlowStyle != 0 {
		return m.cutFlow(item, flow)
	}
	var b strings.Builder
	for i, line := range lines {
		lead := "  "
		if i == 0 {
			lead = "- "
		}
		b.WriteString(strings.Repeat(" ", list.Column-1) + lead + line + m.ending())
	}
	return m.cutText(item.Line, b.String())
}

func (m *manifest) cutText(line int, text string) (change, error) {
	at := m.offset(line, 1)
	if at < 0 || !strings.HasPrefix(string(m.text[at:]), text) {
		return change{}, fmt.Errorf("line %d is not as it was written: take the flag, the mount and the volume out by hand", line)
	}
	return change{at, at + len(text), ""}, nil
}

func (m *manifest) cutFlow(item *yaml.Node, flow string) (change, error) {
	at := m.offset(item.Line, item.Column)
	if at < 0 || !strings.HasPrefix(string(m.text[at:]), flow) {
		return change{}, fmt.Errorf("line %d is not as it was written: take the flag, the mount and the volume out by hand", item.Line)
	}
	end := at + len(flow)
	if strings.HasPrefix(string(m.text[end:]), ", ") {
		end += 2
	}
	return change{at, end, ""}, nil
}

// unmark takes the annotation out that restarted the pod, and the annotations where it was the only one.
func (m *manifest) unmark() (change, error) {
	pair := restartKey + `: "` + m.restarted.Value + `"`
	alone := len(m.annotations.Content) == 2
	if m.annotations.Style&yaml.FlowStyle != 0 {
		flow, from := `"`+restartKey+`": "`+m.restarted.Value+`"`, m.annotations.Content[0]
		if alone {
			flow, from = `"annotations": {`+flow+`}`, m.annotationsKey
		}
		return m.cutFlow(from, flow)
	}
	key := m.annotations.Content[0]
	indent := strings.Repeat(" ", key.Column-1)
	if !alone {
		return m.cutText(m.restarted.Line, indent+pair+m.ending())
	}
	above := strings.Repeat(" ", m.annotationsKey.Column-1) + "annotations:" + m.ending()
	return m.cutText(m.annotationsKey.Line, above+indent+pair+m.ending())
}

// verifyRemoved checks that a manifest is the old one without what edit put in.
func (m *manifest) verifyRemoved(edited []byte, flag string) error {
	after, err := parseManifest(edited)
	if err != nil {
		return err
	}
	if after.value != flag || after.restarted != nil {
		return errors.New("the flag would stay")
	}
	return m.sameBeside(edited)
}
