// Package keychain finds the credentials that the kubelet would pull a workload's images with.
//
// A pod names pull secrets, and so does its service account: Secrets of the pod's namespace of type
// kubernetes.io/dockerconfigjson, or of the older kubernetes.io/dockercfg, which hold credentials by registry. An entry may be for
// a part of a registry (registry.example/shop) and may have wildcards for parts of its host's name (*.example). A Reader gets these
// objects one by one, by name, so that the right to get secrets and service accounts is all it needs, and keeps them for a
// short time. What it cannot read it tells, and goes on without.
package keychain
