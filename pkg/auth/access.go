package auth

import (
	"fmt"
	"strings"
)

// Action is something that a caller may or may not do.
type Action string

// The actions.
const (
	ActionReview Action = "submit admission reviews"
	ActionScan   Action = "request image scans"
	ActionRead   Action = "read decisions, reports and policies"
	ActionManage Action = "manage tokens, policies and feeds"
)

// AccessTypes lists every access type, the most powerful first.
func AccessTypes() []AccessType { return []AccessType{AccessGlobalAdmin, AccessReview} }

// ParseAccessType reads an access type's name; case, and a hyphen or underscore for a space, do not matter, so that global-admin
// needs no quotes in a shell.
func ParseAccessType(name string) (AccessType, error) {
	plain := strings.NewReplacer("-", " ", "_", " ").Replace(strings.TrimSpace(name))
	for _, known := range AccessTypes() {
		if strings.EqualFold(plain, string(known)) {
			return known, nil
		}
	}
	return "", fmt.Errorf("access type %q is none of %q, %q", name, AccessGlobalAdmin, AccessReview)
}

// May tells whether the access type allows an action. One that this version does not know allows nothing.
func (t AccessType) May(action Action) bool {
	switch t {
	case AccessGlobalAdmin:
		return true
	case AccessReview, AccessPathKey:
		return action == ActionReview
	default:
		return false
	}
}

// Principal is an authenticated caller.
type Principal struct {
	TokenID    string
	Name       string // of the token
	AccessType AccessType
}

// May tells whether the caller is allowed an action.
func (p Principal) May(action Action) bool { return p.AccessType.May(action) }
