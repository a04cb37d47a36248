{{/* Names of the bindings' Secrets. */}}
{{- define "base-service.databaseName" -}}
{{- .Values.database.name | default (printf "%s-db" (include "base-service.name" .)) -}}
{{- end }}

{{- define "base-service.cacheName" -}}
{{- .Values.cache.name | default (printf "%s-cache" (include "base-service.name" .)) -}}
{{- end }}

{{/* The Secrets that the service is bound to, as a list. */}}
{{- define "base-service.bindings" -}}
{{- if .Values.database.enabled }}
- {{ include "base-service.databaseName" . }}
{{- end }}
{{- if .Values.cache.enabled }}
- {{ include "base-service.cacheName" . }}
{{- end }}
{{- end }}

{{/* The container's environment. What the service declares itself is left to it. */}}
{{- define "base-service.env" -}}
{{- $declared := list -}}
{{- range .Values.env -}}
{{- $declared = append $declared .name -}}
{{- end -}}
{{- if not (has "PORT" $declared) }}
- name: PORT
  value: {{ include "base-service.mainPort" . | quote }}
{{- end }}
{{- if or .Values.database.enabled .Values.cache.enabled }}
- name: SERVICE_BINDING_ROOT
  value: /bindings
{{- end }}
{{- if .Values.database.enabled }}
{{- $keys := dict "HOST" "host" "PORT" "port" "NAME" "database" "USER" "username" "PASSWORD" "password" "URL" "uri" }}
{{- include "base-service.bindingEnv" (dict "prefix" "DATABASE" "keys" $keys "secret" (include "base-service.databaseName" .) "declared" $declared) }}
{{- end }}
{{- if .Values.cache.enabled }}
{{- $keys := dict "HOST" "host" "PORT" "port" "PASSWORD" "password" "URL" "uri" }}
{{- include "base-service.bindingEnv" (dict "prefix" "CACHE" "keys" $keys "secret" (include "base-service.cacheName" .) "declared" $declared) }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One variable for each key of a binding's Secret. Takes prefix, keys, secret, declared. */}}
{{- define "base-service.bindingEnv" -}}
{{- range $name, $key := .keys }}
{{- $variable := printf "%s_%s" $.prefix $name }}
{{- if not (has $variable $.declared) }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.secret }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
