package scan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/runecast/runecast/pkg/image"
)

// explainTo is explain with a remedy that knows which credentials were there to be used.
func explainTo(req Request, err error) *Error {
	e := explain(req.Reference, err)
	pull, ok := errors.AsType[*image.Error](err)
	if !ok {
		return e
	}
	if unread := unreadOf(req.Access); pull.Kind == image.KindNotFound && unread != "" {
		e.Remedy += "; registries may hide so what they do not give to everybody, and " + unread
	}
	if pull.Kind == image.KindUnauthorized {
		e.Remedy = accessRemedy(req.Access, pull)
	}
	return e
}

func unreadOf(access Access) string {
	if access == nil {
		return ""
	}
	return strings.Join(access.Unread(), "; ")
}

// accessRemedy words what to do when a registry refuses.
func accessRemedy(access Access, pull *image.Error) string {
	const check = "check the image's name, and "
	own := fmt.Sprintf("give the server credentials for registry %s in its Docker configuration", pull.Host)
	if access == nil {
		return check + own + "; it has no access to a cluster (setting kubeconfig), so it does not use the pod's imagePullSecrets"
	}
	if unread := unreadOf(access); unread != "" {
		return check + unread
	}
	if pull.Tried > 0 {
		return fmt.Sprintf("%scorrect the credentials for registry %s in the imagePullSecrets of the workload or its service account: it does not take them", check, pull.Host)
	}
	return fmt.Sprintf("%sname a secret with credentials for registry %s in the imagePullSecrets of the workload or its service account, or %s", check, pull.Host, own)
}
