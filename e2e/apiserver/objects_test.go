package apiserver_test

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// container gives a pod specification of one container.
func container(img testImage) *corev1.PodSpec {
	return &corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: img.reference}}}
}

func pod(name string, spec *corev1.PodSpec) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: *spec}
}

func deployment(name string, spec *corev1.PodSpec) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{Selector: selector(), Template: template(spec)}}
}

func replicaSet(name string, spec *corev1.PodSpec) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.ReplicaSetSpec{Selector: selector(), Template: template(spec)}}
}

func selector() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": "test"}}
}

func template(spec *corev1.PodSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "test"}}, Spec: *spec}
}

// reviewedKind is one of the eight kinds, and how a user creates an object of it.
type reviewedKind struct {
	kind   string
	create func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error
}

func reviewedKinds() []reviewedKind {
	opts := metav1.CreateOptions{}
	return []reviewedKind{
		{"Pod", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.CoreV1().Pods(namespace).Create(ctx, pod(name, spec), opts)
			return err
		}},
		{"DaemonSet", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.AppsV1().DaemonSets(namespace).Create(ctx, &appsv1.DaemonSet{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       appsv1.DaemonSetSpec{Selector: selector(), Template: template(spec)},
			}, opts)
			return err
		}},
		{"Deployment", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.AppsV1().Deployments(namespace).Create(ctx, deployment(name, spec), opts)
			return err
		}},
		{"ReplicaSet", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.AppsV1().ReplicaSets(namespace).Create(ctx, replicaSet(name, spec), opts)
			return err
		}},
		{"StatefulSet", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.AppsV1().StatefulSets(namespace).Create(ctx, &appsv1.StatefulSet{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       appsv1.StatefulSetSpec{Selector: selector(), Template: template(spec), ServiceName: name},
			}, opts)
			return err
		}},
		{"ReplicationController", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			_, err := c.CoreV1().ReplicationControllers(namespace).Create(ctx, &corev1.ReplicationController{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       corev1.ReplicationControllerSpec{Selector: selector().MatchLabels, Template: new(template(spec))},
			}, opts)
			return err
		}},
		{"CronJob", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			spec.RestartPolicy = corev1.RestartPolicyNever
			_, err := c.BatchV1().CronJobs(namespace).Create(ctx, &batchv1.CronJob{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec: batchv1.CronJobSpec{Schedule: "0 4 * * *", JobTemplate: batchv1.JobTemplateSpec{
					Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: *spec}},
				}},
			}, opts)
			return err
		}},
		{"Job", func(ctx context.Context, c kubernetes.Interface, namespace, name string, spec *corev1.PodSpec) error {
			spec.RestartPolicy = corev1.RestartPolicyNever
			_, err := c.BatchV1().Jobs(namespace).Create(ctx, &batchv1.Job{
				ObjectMeta: metav1.ObjectMeta{Name: name},
				Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: *spec}},
			}, opts)
			return err
		}},
	}
}
