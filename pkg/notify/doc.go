// Package notify tells people and programs of denials and flips: by signed webhooks, Slack and e-mail.
//
// What is to be told is an event. A Plan turns it into drafts, one for each destination that wants it. Drafts are put into the outbox,
// a table of the database, in the very transaction that stores the decision or the flip: what was stored is told, what was not is
// not, and no review waits. Events of one group (the same policy, namespace, object and images) become one notification with a
// count: the first is sent at once, those that follow within a window are one more at its end.
//
// A Loop takes notifications out of the outbox under a lease, so that several replicas do not send the same one side by side. One that
// fails is tried again for hours, and is dead then, which people can see, retry and discard. Where a process dies between sending and
// taking note of it, the notification is sent again, with the same id and content: delivery is at least once.
package notify
