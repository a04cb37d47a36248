{{/* The service's name, and that of its objects. */}}
{{- define "base-service.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end }}

{{/* The version shown: as given, or the image's tag. */}}
{{- define "base-service.version" -}}
{{- $image := .Values.image | splitList "@" | first | splitList "/" | last -}}
{{- $tag := "" -}}
{{- if contains ":" $image -}}
{{- $tag = $image | splitList ":" | last -}}
{{- end -}}
{{- .Values.version | default $tag | trunc 63 | trimAll "-_." -}}
{{- end }}

{{/* What never changes in the life of a service, and so may select its pods. */}}
{{- define "base-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "base-service.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "base-service.labels" -}}
{{- include "base-service.selectorLabels" . }}
{{- with include "base-service.version" . }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
app.kubernetes.io/component: {{ .Values.component | quote }}
app.kubernetes.io/part-of: {{ .Values.partOf | default (include "base-service.name" .) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{ .Values.labelDomain }}/managed: "true"
{{ .Values.labelDomain }}/service: {{ include "base-service.name" . | quote }}
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
{{- define "base-service.metadata" -}}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "base-service.labels" . | nindent 2 }}
{{- with .Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
