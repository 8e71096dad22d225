// Package job runs certgen's commands: it looks at the cluster, lets package plan decide, does the one step and looks again, until
// nothing is left to do or only waits that are longer than the run. What it did it says in the log, in Events and in metrics.
package job
