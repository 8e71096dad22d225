// Package rematch judges images again that were judged before, when the vulnerability data change.
//
// Every stored inventory is matched against the new feed, without a registry. An image is judged under each policy that a recorded
// decision about a scan of it applied, by the reference of the last such decision. A verdict that is not the one before is a flip:
// from the last decision at another revision, or from the last flip where that is later. Policies that are gone are left out. What
// an earlier version stored is not judged but counted: it needs to be read again, which its next review does. Reports are not
// stored: the next review makes its own from the inventory, and most of them nobody asks for.
//
// A run goes through the inventories by digest. What a review or scan stores behind it, by the feed before, is late: the store takes
// note of it in the transaction that stores it, and each look at the feed judges what is late.
//
// Reviews go first: a run takes half the processors at most, and pauses before each inventory while reviews are under way.
package rematch
