// Package webhook treats a ValidatingWebhookConfiguration as a value: it generates one, reads what one says, works out what has to
// change in it, and writes that as one JSON patch. It talks to no API server and to no server of reviews.
//
// Two kinds of configuration carry our CA. The chart's is rendered without caBundle and without the path of its service, because
// Helm puts back every field that it rendered and leaves alone those that it did not; both are put in here (Managed), the path
// with a credential in it where the API server has none of its own. A configuration that somebody wrote by hand is only helped
// to follow the CA (Adopted): its path and foreign certificates in its bundle stay as they are.
//
// An operator's own configuration comes from Generate. It is applied by server-side apply, where each field has an owner: PlanApply
// says what is ours to send and what belongs to Helm, kubectl or certgen. Risks, InspectBundle, JudgeCertificate and JudgeNamespaces say in words
// what a configuration means, whoever wrote it.
//
// A caBundle is a set of roots: the order does not matter, and a certificate of the set need not be a CA. Comparisons are
// therefore of sets, so that another order or layout of the same certificates is no difference.
package webhook
