{{/* The server's config.yaml. server.config comes last, and counts. */}}
{{- define "runecast.serverConfiguration" -}}
{{- $c := dict
  "dataDir" "/data"
  "listen" ":9443"
  "logLevel" .Values.server.logLevel
  "logFormat" "json"
  "tlsCertFile" "/etc/runecast/tls/tls.crt"
  "tlsKeyFile" "/etc/runecast/tls/tls.key"
  "platforms" .Values.server.platforms
  "reviewKeyDir" "/etc/runecast/review-key"
  "allowedRegistries" .Values.policies.allowedRegistries
  "registryKeychains" .Values.registries.keychains
  "registryAllowNetworks" .Values.registries.allowNetworks
  "registryPlainHttp" .Values.registries.plainHTTP
  "registryRateLimit" .Values.registries.rateLimit
}}
{{- $_ := set $c "pullSecrets" (eq (include "runecast.readsPullSecrets" .) "true") }}
{{- with .Values.web }}
{{- $_ := set $c "trustedProxies" .trustedProxies }}
{{- $_ := set $c "webhookStatus" .webhookStatus }}
{{- with include "runecast.publicUrl" $ }}
{{- $_ := set $c "publicUrl" . }}
{{- end }}
{{- with .oidc }}
{{- if .issuer }}
{{- $oidc := pick . "issuer" "clientId" "scopes" "nameClaim" "groupsClaim" "administratorGroups" "readOnlyGroups" "localLogin" }}
{{- with .name }}
{{- $_ := set $oidc "name" . }}
{{- end }}
{{- if .clientSecret.existingSecret }}
{{- $_ := set $oidc "clientSecretFile" "/etc/runecast/oidc/client-secret" }}
{{- end }}
{{- if .caConfigMap }}
{{- $_ := set $oidc "caFiles" (list "/etc/runecast/oidc-ca/ca.crt") }}
{{- end }}
{{- $_ := set $c "oidc" $oidc }}
{{- end }}
{{- end }}
{{- if .admin.existingSecret }}
{{- $_ := set $c "adminPasswordFile" "/etc/runecast/admin/password" }}
{{- end }}
{{- end }}
{{- with .Values.notifications }}
{{- if .destinations }}
{{- $_ := set $c "notifications" .destinations }}
{{- end }}
{{- $_ := set $c "notificationAllowNetworks" .allowNetworks }}
{{- $_ := set $c "notificationRetentionDays" .retentionDays }}
{{- end }}
{{- if .Values.policies.definitions }}
{{- $_ := set $c "policyFiles" (list "/etc/runecast/policies/policies.yaml") }}
{{- else if .Values.policies.existingConfigMap }}
{{- $_ := set $c "policyFiles" (list "/etc/runecast/policies") }}
{{- end }}
{{- if .Values.tokens.existingSecret }}
{{- $_ := set $c "tokenDir" "/etc/runecast/tokens" }}
{{- $_ := set $c "tokenAccessType" .Values.tokens.accessType }}
{{- end }}
{{- if .Values.registries.hosts }}
{{- $_ := set $c "registryConfigDir" "/etc/runecast/certs.d" }}
{{- end }}
{{- if .Values.registries.caConfigMap }}
{{- $_ := set $c "registryCaFiles" (list "/etc/runecast/registry-cas/ca.crt") }}
{{- end }}
{{- if or .Values.feed.url .Values.feed.download }}
{{- $_ := set $c "feedUrl" (.Values.feed.url | default "public") }}
{{- if and (not .Values.feed.url) .Values.feed.ecosystems }}
{{- $_ := set $c "downloadEcosystems" .Values.feed.ecosystems }}
{{- end }}
{{- $_ := set $c "feedUpdateInterval" .Values.feed.updateInterval }}
{{- end }}
{{- if .Values.database.url }}
{{- $_ := set $c "database" .Values.database.url }}
{{- end }}
{{- mergeOverwrite $c (deepCopy .Values.server.config) | toYaml }}
{{- end }}

{{/* Where people find the pages, if that is known. */}}
{{- define "runecast.publicUrl" -}}
{{- with .Values.web }}
{{- .publicUrl | default (empty .ingress.host | ternary "" (printf "https://%s" .ingress.host)) | trimSuffix "/" }}
{{- end }}
{{- end }}

{{/* Whether the server may ask the API server for pull secrets. */}}
{{- define "runecast.readsPullSecrets" -}}
{{- if or .Values.registries.pullSecrets.allNamespaces .Values.registries.pullSecrets.namespaces }}true{{ end }}
{{- end }}

{{/* Whether the server has access to the API server at all. */}}
{{- define "runecast.asksCluster" -}}
{{- if or (include "runecast.readsPullSecrets" .) .Values.web.webhookStatus }}true{{ end }}
{{- end }}

{{/* Whether the data directory is a claim. */}}
{{- define "runecast.persistent" -}}
{{- if and .Values.persistence.enabled (not (include "runecast.usesPostgres" .)) }}true{{ end }}
{{- end }}

{{/* The user's affinity as JSON. A volume that one node has at a time also draws the next pod to the node of the pod it follows. */}}
{{- define "runecast.serverAffinity" -}}
{{- $affinity := deepCopy .Values.server.affinity }}
{{- if and (include "runecast.persistent" .) (not (has "ReadWriteMany" .Values.persistence.accessModes)) }}
{{- $pods := $affinity.podAffinity | default dict }}
{{- $same := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (include "runecast.selectorLabels" (dict "root" $ "component" "server") | fromYaml)) }}
{{- $key := "requiredDuringSchedulingIgnoredDuringExecution" }}
{{- $_ := set $pods $key (append (get $pods $key | default list) $same) }}
{{- $_ := set $affinity "podAffinity" $pods }}
{{- end }}
{{- $affinity | toJson }}
{{- end }}
