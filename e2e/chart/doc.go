// Package chart checks charts/runecast in each mode that its ci directory names, as chart-testing would, and what chart-testing does not:
// that a real kube-apiserver takes every object under strict field validation and without a warning, that every pod may run under the Pod
// Security Standard "restricted", that operators' commands find what they look for, that server and certgen take the settings that the
// chart writes, that values.yaml and its schema agree, and that alerts and dashboard ask for metrics that exist. It has no code of its own.
//
// Its tests are behind the build tag chart: make chart. They download what the cluster would have from others, the definitions of
// cert-manager's and the Prometheus operator's resources, as Go modules.
package chart
