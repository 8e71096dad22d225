// Package controlplane starts etcd and kube-apiserver on loopback for tests, with the files of an operator's control plane. No kubelet
// and no controllers run.
//
// The programs etcd, kube-apiserver and kubectl are taken from the directory KUBEBUILDER_ASSETS, from PATH, or downloaded by
// controller-runtime's setup-envtest. Without any of these a test is skipped, with a line on standard error that says so;
// RUNECAST_REQUIRE_APISERVER=1 makes that a failure.
package controlplane
