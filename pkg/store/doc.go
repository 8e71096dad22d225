// Package store keeps what must outlive a process: API tokens, decisions, and what scans found.
//
// A decision is the record of one review, never changed once written. Reports, inventories and layer inventories are results that
// could be computed again from the registry, at the price of a pull: each is one compressed document under the digest of what
// it describes, beside the few columns that lists need. A report belongs to a digest at one feed revision; an inventory to a
// digest alone, so that a new feed needs no new pull; a layer's inventory to the layer, which many images share.
//
// SQLite, one file, is the default; PostgreSQL, by URL, is for several servers at once. The same SQL serves both, so what passes
// the suite in storetest on one works on the other: placeholders are $1, times are microseconds since 1970 UTC in a BIGINT,
// documents are bytes. Text is stored without what PostgreSQL refuses (NUL and broken UTF-8), as names come from whoever sends reviews.
package store
