// Package scan turns an image reference into a report of the vulnerabilities that are in the image.
//
// A scan has three parts of very different cost. Reading: the layers are pulled and their packages found, seconds to minutes;
// the outcome depends on the digest alone and is kept (Contents), layer by layer too, so that images with a common base pay
// for it once. Matching: the packages are looked up in the feed, milliseconds; it is repeated whenever the feed has a new
// revision. Reporting: what both gave is kept under digest and revision, and a review that finds it there costs nothing but
// the resolution of a tag, which the puller remembers for a short time.
//
// Callers have deadlines, scans have not: all callers that need one digest share one scan, which goes on in the background
// when their time is over (they get KindPending), so that a retry is answered at once. A scan has a time limit of its own. What
// a Store cannot read or keep is logged, counted and done without: a broken database never denies an image. Errors are
// never kept.
package scan
