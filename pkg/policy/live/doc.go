// Package live is the set of policies of a running server: the built-in ones and those of files, which cannot be changed in it, and those
// that people store at run time, with the exemptions that people add to any of them.
//
// A Set is read without locks and swapped whole. Whoever changes it through Create, Replace, Delete, Exempt or Unexempt finds the change
// in force when the call returns; other servers on the same database see a counter that went on, and reload. Where the database cannot
// be read, the last known set holds, and Err says so.
//
// It fails closed. A stored policy that this version cannot compile denies all that is judged by it, and says why. A stored exemption that
// it cannot read in every field exempts nothing. A stored policy never replaces a built-in one or a file's.
//
// What judges is the effective policy: the policy with its stored exemptions. Its text is stored by its revision before it judges, so
// that it can be found again for as long as a decision names it.
package live
