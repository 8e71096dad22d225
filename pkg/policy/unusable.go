package policy

// unusableRemedy is what to do about a policy that cannot be used.
const unusableRemedy = "an administrator must correct the policy, or run the version that wrote it"

// Unusable stands for a policy that is there and cannot be used, such as one that another version stored. It judges nothing and denies all:
// every image is unknown, with the cause, whatever its findings. It needs no scan, and has no revision.
func Unusable(id, name, cause string) *Policy {
	if name == "" {
		name = "cannot be used"
	}
	return &Policy{
		ID: id, Name: name, Mode: ModeEnforce, OnPending: ActionDeny, OnUnscannable: ActionDeny, OnNoFeed: ActionDeny, OnStaleFeed: ActionDeny,
		OnUnknownDistro: ActionDeny, OnEndOfLife: ActionDeny, ExemptImages: []string{}, unusable: clean(cause, maxClause),
	}
}

// Unusable says why the policy cannot be used; empty where it can.
func (p *Policy) Unusable() string { return p.unusable }

// refuse is the result of every image where the policy was not prepared or cannot be used.
func (p *Policy) refuse() Result {
	u := Unknown{Switch: switchUnscannable, Action: ActionDeny, Cause: "policy " + clean(p.ID, maxID) + " was not prepared", Remedy: "load it again"}
	if p.unusable != "" {
		u.Cause, u.Remedy = clean("policy "+p.ID+" cannot be used: "+p.unusable, maxClause), unusableRemedy
	}
	return Result{Verdict: VerdictUnknown, Unknown: []Unknown{u}}
}
