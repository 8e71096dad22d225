// Package impact tells what a change of a policy would do before it is made: which of the known images would be denied or let in that were
// not before, and which violation makes the difference.
//
// Known images are those that decisions of a window of time name, each with its last decision. Each is judged twice, by the policy as
// it is and as it would be, on the same findings: its stored inventory matched against the feed of the moment. So nothing but the policy
// makes the difference. Images whose inventory is not stored, or was stored by an earlier version, are counted as not judged.
//
// A preview is bounded in images and time. One that stopped at a bound says so.
package impact
