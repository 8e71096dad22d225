// Package controlplane makes the files of a kubeadm control-plane node what they must be for its API server to authenticate to the webhook: by a
// token that it finds in a kubeconfig, which an AdmissionConfiguration names, which a flag of the API server names
// (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#authenticate-apiservers).
//
// The API server of kubeadm is a static pod: the kubelet starts it from a manifest, and starts it anew when the manifest
// changes. A mistake in it takes the control plane down. So a manifest is never made from its parsed form: text is put in
// at the positions of its YAML nodes, and the outcome is parsed again and must be the old manifest with exactly the intended
// change, or there is no plan. Comments, order and quoting stay as they are.
//
// A Plan is made from the node's files and changes nothing. What it shows never has the token in it. A Node carries it out: every file is
// written whole or not at all, a record on disk says what is about to be done before it is done, so that a run after one that
// was ended at any point finishes or undoes it, and a node whose API server does not come back is put back as it was.
//
// MakeK3s and MakeRKE2 plan servers of K3s and RKE2, whose API servers take their flags from a configuration file, and Snippet has the text for
// clusters whose nodes are made from a configuration.
package controlplane
