// Package apiserver holds the integration test of runecast against a real kube-apiserver. It has no code of its own.
//
// Two parts that no mock can stand for are the API server's webhook client and its registration rules: which reviews
// it sends, with which credentials, what it makes of the answer and what the user reads in the end. So the test starts
// etcd and kube-apiserver on loopback, gives the API server an AdmissionConfiguration with the webhook's token as an
// operator would write it, runs the runecast binary built from this tree beside an in-process registry, registers
// ValidatingWebhookConfigurations in url mode and then behaves like a user: client-go and kubectl create and change
// workloads, and the answers and the stored decisions are compared with the contract.
//
// No kubelet and no controllers run: a pod that is admitted stays Pending, a Deployment makes no ReplicaSets. That
// keeps every review the direct result of one request of the test.
//
// Package controlplane starts the API server and says where its programs come from. Vulnerability data comes from the
// directory RUNECAST_TEST_FEEDS (default ../shared/feeds beside the repository), else from testdata.
package apiserver
