package ui

import "strings"

// cvssTerms are the metrics of CVSS and their values, one a line: the version's first digit, the metric, its value (- for the metric's own
// name), and what it means. The names are those of the specifications, the explanations are ours:
// https://www.first.org/cvss/v2/guide (section 2), https://www.first.org/cvss/v3.1/specification-document (sections 2 and 3) and
// https://www.first.org/cvss/v4.0/specification-document (sections 2 and 3).
const cvssTerms = `
2 AV - Access vector
2 AV L Local: the attacker needs an account on the machine, or its keyboard
2 AV A Adjacent network: from the same network segment only
2 AV N Network: from anywhere
2 AC - Access complexity
2 AC H High: rare conditions must be met
2 AC M Medium: some conditions must be met
2 AC L Low: it works nearly every time
2 Au - Authentication
2 Au M Multiple: the attacker logs in twice or more
2 Au S Single: the attacker logs in once
2 Au N None: without a login
2 C - Confidentiality impact
2 I - Integrity impact
2 A - Availability impact
2 * N None
2 * P Partial
2 * C Complete
3 AV - Attack vector
3 AV N Network: from anywhere
3 AV A Adjacent: from the same network segment only
3 AV L Local: by a program or user on the machine, or a file that is opened there
3 AV P Physical: by hands on the machine
3 AC - Attack complexity
3 AC L Low: it works every time
3 AC H High: it needs conditions that the attacker does not control
3 PR - Privileges required
3 PR N None: without an account
3 PR L Low: an ordinary user’s
3 PR H High: an administrator’s
3 UI - User interaction
3 UI N None: nobody has to do anything
3 UI R Required: somebody must do something, such as open a link
3 S - Scope
3 S U Unchanged: it harms the vulnerable component alone
3 S C Changed: it harms others beyond it too
3 C - Confidentiality
3 I - Integrity
3 A - Availability
3 * N None: no harm to it
3 * L Low: some harm to it
3 * H High: all of it is lost
3 E - Exploit code maturity
3 E U Unproven
3 E P Proof of concept
3 E F Functional
3 E H High
3 RL - Remediation level
3 RL O Official fix
3 RL T Temporary fix
3 RL W Workaround
3 RL U Unavailable
3 RC - Report confidence
3 RC U Unknown
3 RC R Reasonable
3 RC C Confirmed
4 AV - Attack vector
4 AV N Network: from anywhere
4 AV A Adjacent: from the same network segment only
4 AV L Local: by a program or user on the machine, or a file that is opened there
4 AV P Physical: by hands on the machine
4 AC - Attack complexity
4 AC L Low: nothing stands in the way
4 AC H High: a defence has to be got round
4 AT - Attack requirements
4 AT N None: it works wherever the software runs
4 AT P Present: it needs a certain set-up or moment
4 PR - Privileges required
4 PR N None: without an account
4 PR L Low: an ordinary user’s
4 PR H High: an administrator’s
4 UI - User interaction
4 UI N None: nobody has to do anything
4 UI P Passive: somebody must use the system as usual
4 UI A Active: somebody must do something particular
4 VC - Confidentiality of the vulnerable system
4 VI - Integrity of the vulnerable system
4 VA - Availability of the vulnerable system
4 SC - Confidentiality of other systems
4 SI - Integrity of other systems
4 SA - Availability of other systems
4 * N None: no harm to it
4 * L Low: some harm to it
4 * H High: all of it is lost
4 E - Exploit maturity
4 E A Attacked: attacks are known
4 E P Proof of concept
4 E U Unreported
`

// metric is one part of a CVSS vector in words.
type metric struct {
	Part  string // as the vector has it: AV:N
	Name  string // of the metric; its short name where the table has none
	Value string // its value
}

// explain puts a CVSS vector in words, in its own order. What the table does not know stays as it is.
func explain(version, vector string) []metric {
	if version == "" {
		return nil
	}
	terms := map[string]string{}
	for line := range strings.Lines(cvssTerms) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(words) == 4 && words[0] == version[:1] {
			terms[words[1]+":"+words[2]] = words[3]
		}
	}
	var list []metric
	for part := range strings.SplitSeq(vector, "/") {
		name, value, found := strings.Cut(part, ":")
		if !found || name == "CVSS" || value == "" {
			continue
		}
		m := metric{Part: part, Name: terms[name+":-"], Value: terms[part]}
		if m.Value == "" && m.Name != "" {
			m.Value = terms["*:"+value]
		}
		if m.Name == "" {
			m.Name = name
		}
		if m.Value == "" {
			m.Value = value
		}
		list = append(list, m)
	}
	return list
}
