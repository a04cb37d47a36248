{{/* Names of the bindings' Secrets. */}}
{{- define "service-library.databaseName" -}}
{{- .Values.database.name | default (printf "%s-db" (include "service-library.name" .)) -}}
{{- end }}

{{- define "service-library.cacheName" -}}
{{- .Values.cache.name | default (printf "%s-cache" (include "service-library.name" .)) -}}
{{- end }}

{{/* The Secrets that the service is bound to, as a list. */}}
{{- define "service-library.bindings" -}}
{{- if (.Values.database | default dict).enabled }}
- {{ include "service-library.databaseName" . | quote }}
{{- end }}
{{- if (.Values.cache | default dict).enabled }}
- {{ include "service-library.cacheName" . | quote }}
{{- end }}
{{- end }}

{{/* The container's environment. What the service declares itself is left to it. */}}
{{- define "service-library.env" -}}
{{- $declared := list -}}
{{- range .Values.env -}}
{{- $declared = append $declared .name -}}
{{- end -}}
{{- $port := include "service-library.mainPort" . }}
{{- if and $port (not (has "PORT" $declared)) }}
- name: PORT
  value: {{ $port | quote }}
{{- end }}
{{- if include "service-library.bindings" . }}
- name: SERVICE_BINDING_ROOT
  value: /bindings
{{- end }}
{{- if (.Values.database | default dict).enabled }}
{{- $keys := dict "HOST" "host" "PORT" "port" "NAME" "database" "USER" "username" "PASSWORD" "password" "URL" "uri" }}
{{- include "service-library.bindingEnv" (dict "prefix" "DATABASE" "keys" $keys "secret" (include "service-library.databaseName" .) "declared" $declared) }}
{{- end }}
{{- if (.Values.cache | default dict).enabled }}
{{- $keys := dict "HOST" "host" "PORT" "port" "PASSWORD" "password" "URL" "uri" }}
{{- include "service-library.bindingEnv" (dict "prefix" "CACHE" "keys" $keys "secret" (include "service-library.cacheName" .) "declared" $declared) }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* One variable for each key of a binding's Secret. Takes prefix, keys, secret, declared. */}}
{{- define "service-library.bindingEnv" -}}
{{- range $name, $key := .keys }}
{{- $variable := printf "%s_%s" $.prefix $name }}
{{- if not (has $variable $.declared) }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $.secret | quote }}
      key: {{ $key }}
{{- end }}
{{- end }}
{{- end }}
