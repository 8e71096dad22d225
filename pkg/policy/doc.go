// Package policy decides what an image's findings mean.
//
// A Policy is a list of rules, what to do when an image cannot be judged, and the exceptions: exempt images, exemptions with a
// reason, an owner and an end, and OpenVEX documents. A rule is a set of conditions about one finding (severity, CVSS, EPSS,
// KEV, fix, package, id, CEL) or about the image's registry; all conditions of a rule must hold, and any rule that holds is a
// violation. Evaluate is a pure function of policy, Subject and time: it reads nothing, logs nothing and knows no clock.
//
// A violation is a value, not an error. What could not be decided (scan pending, registry down, no feed, a stale feed, an
// ecosystem the feed lacks, a CEL expression that fails) is an Unknown with its cause and remedy, and the policy's switch of
// that kind decides; every switch says deny unless the policy says otherwise. Missing data never makes an image look safe.
//
// Policies 1 to 5 are built in (NewSet). Own policies come from YAML or JSON, decoded strictly (Set.Load): every mistake is
// reported at once with file, line and column. DenialMessage and Warnings word the answer for the API server.
package policy
