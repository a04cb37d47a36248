{{/* A path as a part of a name: /var/data is var-data. */}}
{{- define "base-service.pathName" -}}
{{- . | trimAll "/" | replace "/" "-" -}}
{{- end }}
