// Package admission answers the API server's admission reviews.
//
// The API server posts an AdmissionReview (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/)
// for each object that is created or changed, and waits. Handler is the HTTP side: who may ask, how large a question may be,
// which policy it is about, and errors that name the mistake. Reviewer is the decision: which images are new, what their scans
// say by the deadline, what the policy makes of that. Recorder keeps every decision without making the API server wait.
//
// A review ends in an answer in every case. What cannot be judged (a scan that is not done, a registry that is down, no
// vulnerability data, a fault of our own) is unknown, never safe, and the policy's switches decide about it.
package admission
