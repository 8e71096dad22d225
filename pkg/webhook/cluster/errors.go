package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/runecast/runecast/pkg/webhook"
)

// ErrOwned is in the error of an Apply that would take fields from another field manager.
var ErrOwned = errors.New("fields belong to another field manager")

// explain says what to do about an error of the API server. The credential of a path, which the API server repeats when it refuses
// one, does not get through.
func explain(err error) error {
	if apierrors.IsUnauthorized(err) {
		return errors.New("the API server does not accept the kubeconfig's credentials")
	}
	if text := webhook.RedactText(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// applyFault is explain for an Apply.
func applyFault(err error) error {
	if !apierrors.IsConflict(err) {
		return explain(err)
	}
	var fields []string
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && status.ErrStatus.Details != nil {
		for _, cause := range status.ErrStatus.Details.Causes {
			if cause.Type == metav1.CauseTypeFieldManagerConflict {
				fields = append(fields, fmt.Sprintf("%s (%s)", cause.Field, cause.Message))
			}
		}
	}
	if len(fields) == 0 {
		return errors.New("it was changed meanwhile: run the command again")
	}
	slices.Sort(fields)
	return fmt.Errorf("%w: %s; give the same values as they have, or take the fields over with --force-conflicts", ErrOwned, strings.Join(fields, ", "))
}
