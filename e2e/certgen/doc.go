// Package certgen holds the integration tests of certgen against a real kube-apiserver. It has no code of its own.
//
// The cluster IPs of the API server lie in 127.0.0.0/8, so that a Service's address is one on which a test can listen: the API server
// calls webhooks through it as through any other. What stands for nginx are TLS servers that read the serving Secret, each with a
// lag as a kubelet has it, and what stands for the review server accepts the credentials of the key Secret, with a lag too.
//
// certgen runs as a service account that has the rights of its chart and no more, so that a right that it lacks shows.
package certgen
