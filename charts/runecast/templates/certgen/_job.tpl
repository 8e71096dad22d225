{{/* The pod of a certgen run: dict "root" $ "command" "issue" "account" "runecast-certgen". */}}
{{- define "runecast.certgenPod" -}}
{{- $v := .root.Values }}
metadata:
  labels:
    {{- include "runecast.labels" (dict "root" .root "component" "certgen") | nindent 4 }}
spec:
  serviceAccountName: {{ .account }}
  restartPolicy: OnFailure
  enableServiceLinks: false
  {{- include "runecast.imagePullSecrets" .root | nindent 2 }}
  {{- include "runecast.podSecurityContext" (dict "uid" 65532) | nindent 2 }}
  containers:
    - name: certgen
      image: {{ include "runecast.image" (dict "root" .root "image" $v.certgen.image) }}
      imagePullPolicy: {{ $v.certgen.image.pullPolicy }}
      args:
        - {{ .command }}
        - --namespace={{ .root.Release.Namespace }}
        - --tls-source={{ $v.tls.source }}
        - --serving-secret={{ include "runecast.servingSecret" .root }}
        - --service=runecast-nginx
        - --service=runecast-server
        - --front-service=runecast-nginx
        - --cluster-domain={{ $v.clusterDomain }}
        {{- range $v.tls.dnsNames }}
        - --dns-name={{ . }}
        {{- end }}
        {{- range $v.tls.ipAddresses }}
        - --ip-address={{ . }}
        {{- end }}
        {{- if $v.webhook.enabled }}
        - --webhook-configuration={{ include "runecast.webhookConfiguration" .root }}
        {{- end }}
        {{- range $v.certgen.adopt }}
        - --adopt={{ . }}
        {{- end }}
        - --auth={{ $v.admission.auth }}
        - --propagation-wait={{ $v.certgen.propagationWait }}
        - --key-wait={{ $v.certgen.keyWait }}
        - --contract-after={{ $v.certgen.contractAfter }}
        - --leaf-validity={{ $v.certgen.leafValidity }}
        - --ca-validity={{ $v.certgen.caValidity }}
        {{- with $v.certgen.rotateRequest }}
        - {{ printf "--rotate-request=%s" . | quote }}
        {{- end }}
        {{- with $v.certgen.pushGateway }}
        - --push-gateway={{ . }}
        {{- end }}
        - --timeout={{ $v.certgen.timeout }}
      resources:
        {{- toYaml $v.certgen.resources | nindent 8 }}
      {{- include "runecast.securityContext" . | nindent 6 }}
{{- end }}

{{/* A hook's object that is made anew each time and goes when the hook is done: dict "events" "pre-install" "weight" "-10". */}}
{{- define "runecast.hook" -}}
helm.sh/hook: {{ .events }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* A hook's identity with its rights: dict "root" $ "name" … "events" … "rules" (namespaced, JSON) "clusterRules" (JSON, may be empty). */}}
{{- define "runecast.hookIdentity" -}}
{{- $labels := include "runecast.labels" (dict "root" .root "component" "certgen") }}
{{- $hook := include "runecast.hook" (dict "events" .events "weight" "-20") }}
{{- $subject := dict "kind" "ServiceAccount" "name" .name "namespace" .root.Release.Namespace }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- $hook | nindent 4 }}
    {{- with .root.Values.serviceAccountAnnotations.certgen }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- $hook | nindent 4 }}
rules: {{ .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- $hook | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .name }}}
subjects: {{ list $subject | toJson }}
{{- if .clusterRules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .root.Release.Namespace }}-{{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- $hook | nindent 4 }}
rules: {{ .clusterRules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .root.Release.Namespace }}-{{ .name }}
  labels:
    {{- $labels | nindent 4 }}
  annotations:
    {{- $hook | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .root.Release.Namespace }}-{{ .name }}}
subjects: {{ list $subject | toJson }}
{{- end }}
{{- end }}

{{/* The Secrets that certgen keeps, as a JSON list. */}}
{{- define "runecast.certgenSecrets" -}}
{{- if eq .Values.tls.source "certgen" }}["runecast-ca","runecast-nginx-tls","runecast-review-key"]{{ else }}["runecast-review-key"]{{ end }}
{{- end }}

{{/* The webhook configurations that certgen keeps in step, as a JSON list. */}}
{{- define "runecast.configurations" -}}
{{- $list := .Values.certgen.adopt }}
{{- if .Values.webhook.enabled }}
{{- $list = prepend $list (include "runecast.webhookConfiguration" .) }}
{{- end }}
{{- $list | toJson }}
{{- end }}

{{/* Rules on webhook configurations: dict "names" (list) "verbs" (list). An empty list of names gives none, as it would mean all. */}}
{{- define "runecast.configurationRules" -}}
{{- if .names }}
{{- list (dict "apiGroups" (list "admissionregistration.k8s.io") "resources" (list "validatingwebhookconfigurations") "resourceNames" .names "verbs" .verbs) | toJson }}
{{- end }}
{{- end }}
