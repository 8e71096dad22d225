// Package retention deletes what is older than the operator wants to keep: decisions, flips and the audit log.
//
// It deletes in small batches with a pause after each, so that reviews' decisions find their turns between them, and tells what it
// deleted. Images, inventories and reports are no history; they are not its matter.
package retention
