{{- define "team.name" -}}
{{- .Values.team | default .Release.Name -}}
{{- end }}

{{- define "team.namespace" -}}
{{- .Values.namespace | default (printf "%s-%s" (include "team.name" .) .Values.environment) -}}
{{- end }}

{{- define "team.labels" -}}
app.kubernetes.io/name: {{ include "team.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.Version | quote }}
app.kubernetes.io/component: boundary
app.kubernetes.io/part-of: {{ include "team.name" . | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{ .Values.labelDomain }}/managed: "true"
{{ .Values.labelDomain }}/team: {{ include "team.name" . | quote }}
{{ .Values.labelDomain }}/environment: {{ .Values.environment | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}
