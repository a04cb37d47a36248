{{/* The instance's name, and that of its objects. */}}
{{- define "postgres.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end }}

{{/* The Secret with the credentials. It exists already. */}}
{{- define "postgres.secretName" -}}
{{- .Values.auth.secretName | default (include "postgres.name" .) -}}
{{- end }}

{{- define "postgres.image" -}}
{{- $offered := get .Values.images .Values.version -}}
{{- $message := printf "PostgreSQL %s is not offered, only %s" .Values.version (keys .Values.images | sortAlpha | join ", ") -}}
{{- .Values.image | default $offered | required $message -}}
{{- end }}

{{/* What never changes in the life of an instance. Clients select its pods by these. */}}
{{- define "postgres.selectorLabels" -}}
app.kubernetes.io/name: postgres
app.kubernetes.io/instance: {{ include "postgres.name" . | quote }}
{{- end }}

{{- define "postgres.labels" -}}
{{- include "postgres.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.version | quote }}
app.kubernetes.io/component: database
app.kubernetes.io/part-of: {{ .Values.partOf | default .Values.service | default (include "postgres.name" .) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{ .Values.labelDomain }}/managed: "true"
{{- with .Values.service }}
{{ $.Values.labelDomain }}/service: {{ . | quote }}
{{- end }}
{{- with .Values.team }}
{{ $.Values.labelDomain }}/team: {{ . | quote }}
{{- end }}
{{- with .Values.environment }}
{{ $.Values.labelDomain }}/environment: {{ . | quote }}
{{- end }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every object's metadata holds beside its name. */}}
{{- define "postgres.metadata" -}}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "postgres.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
