//go:build e2e

package kind_test

import (
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	hostPathProvisioner = "kubernetes.io/host-path" // of Kubernetes' own tests: its directories are root's alone
	localVolumes        = 12
)

// storage makes volumes that a program which is not root may write, where the cluster's default class gives none: a claim of the
// chart is bound to one of them.
func (l *lab) storage() {
	l.t.Helper()
	classes := l.client.StorageV1().StorageClasses()
	list, err := classes.List(l.t.Context(), metav1.ListOptions{})
	must(l.t, err)
	for i := range list.Items {
		if list.Items[i].Provisioner != hostPathProvisioner {
			return
		}
		must(l.t, classes.Delete(l.t.Context(), list.Items[i].Name, metav1.DeleteOptions{}))
	}
	wait := storagev1.VolumeBindingWaitForFirstConsumer
	_, err = classes.Create(l.t.Context(), &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: "local", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &wait,
	}, metav1.CreateOptions{})
	must(l.t, err)
	for i := range localVolumes {
		path := fmt.Sprintf("/var/lib/runecast-e2e/%d", i)
		l.writeOnNode(filepath.Join(path, ".made"), "")
		_, err := l.client.CoreV1().PersistentVolumes().Create(l.t.Context(), localVolume(fmt.Sprintf("local-%d", i), path), metav1.CreateOptions{})
		if !apierrors.IsAlreadyExists(err) {
			must(l.t, err)
		}
	}
}

func localVolume(name, path string) *corev1.PersistentVolume {
	anywhere := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpExists}}}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("8Gi")},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName:              "local",
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity:                  &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{anywhere}}},
		},
	}
}
