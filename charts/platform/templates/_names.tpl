{{/* There is one platform in a cluster, so its names are fixed: its commands look for them. */}}
{{- define "platform.namespace" -}}
{{- if ne .Release.Namespace "platform-system" -}}
{{- fail "the platform lives in the namespace platform-system: install it with --namespace platform-system --create-namespace" -}}
{{- end -}}
platform-system
{{- end }}

{{- define "platform.labels" -}}
{{ include "platform.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: platform
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}

{{- define "platform.selector" -}}
app.kubernetes.io/name: platform-operator
app.kubernetes.io/instance: platform
{{- end }}

{{- define "platform.webhook.labels" -}}
{{ include "platform.webhook.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: webhook
app.kubernetes.io/part-of: platform
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}

{{- define "platform.webhook.selector" -}}
app.kubernetes.io/name: platform-webhook
app.kubernetes.io/instance: platform
{{- end }}

{{- define "platform.image" -}}
{{- required "which image is the operator to run? Give one with --set image=REGISTRY/NAME:VERSION" .Values.image -}}
{{- end }}
