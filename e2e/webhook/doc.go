// Package webhook holds the test of the runecast webhook commands against a real kube-apiserver. It has no code of its own.
//
// What no mock can stand for are the API server's rules of registration, server-side apply with its field managers, and its webhook
// client. So the test starts etcd and kube-apiserver on loopback and a server of the product at the address of a Service, and
// then works as an operator does: generate, diff, apply, check, status. Whatever the commands say is compared with what the API server stores and does.
package webhook
