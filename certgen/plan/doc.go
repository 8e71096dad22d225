// Package plan decides what certgen does next. Decide looks at all that is stored and gives one step: one write of one object, a
// wait, or nothing. A run repeats look, decide, do until nothing is left, so every run resumes what another one began, wherever
// that was cut off, and two runs at a time get in each other's way only as conflicts of resourceVersion, after which each looks
// again.
//
// The order within a decision is what makes a rotation lose no call: Secrets and configurations are first brought to what their
// phase wants; only when nothing is left to bring does the phase advance. A look must read a configuration before the serving
// Secret and that before the CA Secret: then whoever still sees an old phase also holds an old resourceVersion of what others
// have written since, and its write is refused.
package plan
