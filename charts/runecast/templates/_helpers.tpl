{{/* Names of namespaced objects are the same whatever the release is called: operators' commands name them. */}}
{{- define "runecast.clusterName" -}}
{{- if eq .Release.Namespace "runecast" }}runecast{{ else }}runecast-{{ .Release.Namespace }}{{ end }}
{{- end }}

{{- define "runecast.webhookConfiguration" -}}
{{ include "runecast.clusterName" . }}-admission
{{- end }}

{{/* Labels of an object: dict "root" $ "component" "server". Only nginx's pods and Service are named nginx. */}}
{{- define "runecast.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "runecast.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: runecast
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "runecast.selectorLabels" -}}
app.kubernetes.io/name: {{ if eq .component "nginx" }}nginx{{ else }}runecast{{ end }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* An image: dict "root" $ "image" .Values.server.image. A digest counts before the tag. */}}
{{- define "runecast.image" -}}
{{- if .image.digest }}{{ .image.repository }}@{{ .image.digest }}
{{- else }}{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "runecast.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The Pod Security Standard "restricted": dict "uid" 65532. */}}
{{- define "runecast.podSecurityContext" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid }}
  runAsGroup: {{ .uid }}
  fsGroup: {{ .uid }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "runecast.securityContext" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* Where pods go: dict "root" $ "component" "server" "values" .Values.server. */}}
{{- define "runecast.scheduling" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName | default .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
{{- if .values.topologySpreadConstraints }}
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else }}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "runecast.selectorLabels" $ | nindent 8 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "runecast.usesPostgres" -}}
{{- if or .Values.database.url .Values.database.existingSecret }}true{{ end }}
{{- end }}

{{- define "runecast.servingSecret" -}}
{{- if eq .Values.tls.source "existingSecret" }}{{ .Values.tls.existingSecret }}{{ else }}runecast-nginx-tls{{ end }}
{{- end }}

{{/* Domain names of the two Services and the user's own, as the certificate has them. */}}
{{- define "runecast.dnsNames" -}}
{{- range list "runecast-nginx" "runecast-server" }}
- {{ . }}
- {{ . }}.{{ $.Release.Namespace }}
- {{ . }}.{{ $.Release.Namespace }}.svc
- {{ . }}.{{ $.Release.Namespace }}.svc.{{ $.Values.clusterDomain }}
{{- end }}
- localhost
{{- range .Values.tls.dnsNames }}
- {{ . | quote }}
{{- end }}
{{- end }}
