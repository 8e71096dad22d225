// Package rematch judges images again that were judged before, when the vulnerability data change.
//
// Every stored inventory is matched against the new feed, without a registry; the report is stored, so that the next review finds
// it. An image is judged under each policy that a recorded decision about a scan of it applied, by the reference of the last such
// decision. A verdict that is not the one before is a flip: from the last decision at another revision, or from the last flip where
// that is later. Policies that are gone are left out. What an earlier version stored is not judged but counted: it needs to be
// read again, which its next review does.
package rematch
