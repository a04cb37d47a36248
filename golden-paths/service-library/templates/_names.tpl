{{/* The service's name, and that of its objects. */}}
{{- define "service-library.name" -}}
{{- .Values.name | default .Release.Name -}}
{{- end }}

{{/* The version shown: as given, or the image's tag. */}}
{{- define "service-library.version" -}}
{{- $image := .Values.image | splitList "@" | first | splitList "/" | last -}}
{{- $tag := "" -}}
{{- if contains ":" $image -}}
{{- $tag = $image | splitList ":" | last -}}
{{- end -}}
{{- .Values.version | default $tag | trunc 63 | trimAll "-_." -}}
{{- end }}

{{/* Whether nothing is to run: as said, or because there is no image yet. Empty when it runs. */}}
{{- define "service-library.suspended" -}}
{{- if or .Values.suspended (not .Values.image) -}}
true
{{- end -}}
{{- end }}

{{/* What never changes in the life of a service, and so may select its pods. */}}
{{- define "service-library.selectorLabels" -}}
app.kubernetes.io/name: {{ include "service-library.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "service-library.labels" -}}
{{- include "service-library.selectorLabels" . }}
{{- with include "service-library.version" . }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
app.kubernetes.io/component: {{ .Values.component | quote }}
app.kubernetes.io/part-of: {{ .Values.partOf | default (include "service-library.name" .) | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{ .Values.labelDomain }}/managed: "true"
{{ .Values.labelDomain }}/service: {{ include "service-library.name" . | quote }}
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

{{/* An object's metadata. Takes context, and what it has beside the service's own: suffix (of the
     name), labels, annotations. Where both say something, commonAnnotations give way. */}}
{{- define "service-library.metadata" -}}
{{- $context := .context -}}
name: {{ printf "%s%s" (include "service-library.name" $context) (.suffix | default "") | quote }}
namespace: {{ $context.Release.Namespace | quote }}
labels:
  {{- include "service-library.labels" $context | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite dict ($context.Values.commonAnnotations | default dict) (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Refuses values that this golden path cannot honour. Takes path (what it is, such as "a worker"), and
     given, a list of three words each: the value's name, what it holds, and what to do instead. */}}
{{- define "service-library.refuse" -}}
{{- range .given }}
{{- if index . 1 }}
{{- fail (printf "%s has no %s: %s" $.path (first .) (last .)) }}
{{- end }}
{{- end }}
{{- end }}
