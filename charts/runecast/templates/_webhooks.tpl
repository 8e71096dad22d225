{{/* The webhooks as a JSON list of complete values: those of .Values.webhooks, else the one of policy and webhook. */}}
{{- define "runecast.webhooks" -}}
{{- $defaults := omit .Values.webhook "enabled" "name" }}
{{- $list := list }}
{{- range .Values.webhooks }}
{{- $list = append $list (mustMerge (deepCopy .) (deepCopy $defaults)) }}
{{- end }}
{{- if not $list }}
{{- $list = list (merge (dict "name" .Values.webhook.name "policyId" .Values.policy.id) (deepCopy $defaults)) }}
{{- end }}
{{- $list | toJson }}
{{- end }}

{{/* The namespaces of one webhook: dict "root" $ "webhook" $w. What the user asks for is added to the exclusions, never replaces them. */}}
{{- define "runecast.namespaceSelector" -}}
matchExpressions:
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values: [kube-system, {{ .root.Release.Namespace }}]
{{- if not .webhook.allNamespaces }}
{{- $labels := .webhook.namespaceLabels | default (dict "runecast-admission-policy" (toString .webhook.policyId)) }}
{{- range $key, $value := $labels }}
  - key: {{ $key }}
    operator: In
    values: [{{ $value | quote }}]
{{- end }}
{{- end }}
{{- with .webhook.namespaceExpressions }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What the schema cannot say. */}}
{{- define "runecast.validate" -}}
{{- $builtIn := list "1" "2" "3" "4" "5" }}
{{- $known := $builtIn }}
{{- range .Values.policies.definitions }}
{{- if has .id $known }}
{{- fail (ternary (printf "policies.definitions: the id %s is that of a built-in policy" .id) (printf "policies.definitions: two policies have the id %s" .id) (has .id $builtIn)) }}
{{- end }}
{{- $known = append $known .id }}
{{- end }}
{{- $names := list }}
{{- range include "runecast.webhooks" . | fromJsonArray }}
{{- if and (not $.Values.policies.existingConfigMap) (not (has (toString .policyId) $known)) }}
{{- fail (printf "webhook %s: there is no policy with the id %q. Built in are 1 to 5; others are defined under policies.definitions or policies.existingConfigMap" .name (toString .policyId)) }}
{{- end }}
{{- if has .name $names }}
{{- fail (printf "two webhooks are called %s: give each a name of its own" .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- range concat .namespaceExpressions (.objectSelector.matchExpressions | default list) }}
{{- if and (has .operator (list "In" "NotIn")) (not .values) }}
{{- fail (printf "selector: operator %s on %s needs values" .operator .key) }}
{{- end }}
{{- if and (has .operator (list "Exists" "DoesNotExist")) .values }}
{{- fail (printf "selector: operator %s on %s takes no values" .operator .key) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (eq .Values.tls.source "existingSecret") (not .Values.tls.existingSecret) }}
{{- fail "tls.source is existingSecret: name the Secret in tls.existingSecret" }}
{{- end }}
{{- if and (ne .Values.tls.source "existingSecret") .Values.tls.existingSecret }}
{{- fail (printf "tls.existingSecret is given but tls.source is %s: set tls.source to existingSecret" .Values.tls.source) }}
{{- end }}
{{- if and (not (include "runecast.usesPostgres" .)) (or (gt (int .Values.server.replicas) 1) .Values.server.autoscaling.enabled) }}
{{- fail "several server pods need PostgreSQL: set database.url or database.existingSecret, or keep server.replicas at 1 and server.autoscaling.enabled at false" }}
{{- end }}
{{- with .Values.web.oidc }}
{{- if .issuer }}
{{- if not (include "runecast.publicUrl" $) }}
{{- fail "web.oidc.issuer: the provider sends browsers back to the pages' public address: set web.publicUrl or web.ingress.host" }}
{{- end }}
{{- if not .clientId }}
{{- fail "web.oidc.clientId is missing: register a client at the provider" }}
{{- end }}
{{- if not (concat .administratorGroups .readOnlyGroups) }}
{{- fail "web.oidc: without a group in administratorGroups or readOnlyGroups nobody can log in" }}
{{- end }}
{{- else if or .name .clientId .clientSecret.existingSecret .administratorGroups .readOnlyGroups .caConfigMap (ne .localLogin "allowed") }}
{{- fail "web.oidc.issuer is missing, and without it the other settings mean nothing" }}
{{- end }}
{{- end }}
{{- if and (not .Values.notifications.existingSecret) (contains "/etc/runecast/notifications/" (toJson .Values.notifications.destinations)) }}
{{- fail "notifications.destinations: there are files of /etc/runecast/notifications in them, which notifications.existingSecret has to name the Secret of" }}
{{- end }}
{{- if and .Values.database.url .Values.database.existingSecret }}
{{- fail "database.url and database.existingSecret exclude each other" }}
{{- end }}
{{- if and .Values.policies.definitions .Values.policies.existingConfigMap }}
{{- fail "policies.definitions and policies.existingConfigMap exclude each other" }}
{{- end }}
{{- if and (ne .Values.tls.source "cert-manager") .Values.tls.certManager.issuerRef }}
{{- fail (printf "tls.certManager.issuerRef is given but tls.source is %s: set tls.source to cert-manager" .Values.tls.source) }}
{{- end }}
{{- if has (include "runecast.webhookConfiguration" .) .Values.certgen.adopt }}
{{- fail (printf "certgen.adopt: %s is the chart's own configuration: name those made by hand" (include "runecast.webhookConfiguration" .)) }}
{{- end }}
{{- include "runecast.validateLabels" (dict "root" . "labels" .Values.commonLabels "where" "commonLabels") }}
{{- range $component := list "nginx" "server" }}
{{- $v := index $.Values $component }}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas %d is more than maxReplicas %d" $component (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) }}
{{- end }}
{{- include "runecast.validateLabels" (dict "root" $ "labels" $v.podLabels "where" (printf "%s.podLabels" $component)) }}
{{- range $key, $_ := $v.podLabels }}
{{- if hasKey $.Values.commonLabels $key }}
{{- fail (printf "%s.podLabels: the label %s is in commonLabels already" $component $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels that selectors and operators' commands rely on are nobody else's: dict "root" $ "labels" … "where" "commonLabels". */}}
{{- define "runecast.validateLabels" -}}
{{- $own := include "runecast.labels" (dict "root" (dict "Chart" .root.Chart "Release" .root.Release "Values" dict) "component" "server") | fromYaml }}
{{- range $key, $_ := .labels }}
{{- if hasKey $own $key }}
{{- fail (printf "%s: the label %s is the chart's own" $.where $key) }}
{{- end }}
{{- end }}
{{- end }}
