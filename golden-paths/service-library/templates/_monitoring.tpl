{{/* Who collects the metrics of a service: Prometheus, through its Service. */}}
{{- define "service-library.serviceMonitor" -}}
{{- if and (include "service-library.scraped" .) .Values.monitoring.serviceMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "service-library.metadata" (dict "context" . "labels" .Values.monitoring.labels) | nindent 2 }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "service-library.selectorLabels" . | nindent 6 }}
  endpoints:
    {{- include "service-library.endpoint" . | nindent 4 }}
{{- end }}
{{- end }}

{{/* The same without a Service. */}}
{{- define "service-library.podMonitor" -}}
{{- if and (include "service-library.scraped" .) .Values.monitoring.podMonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "service-library.metadata" (dict "context" . "labels" .Values.monitoring.labels) | nindent 2 }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels:
      {{- include "service-library.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    {{- include "service-library.endpoint" . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "service-library.endpoint" -}}
- port: {{ include "service-library.metricsPortName" . | quote }}
  path: {{ .Values.monitoring.path | quote }}
  interval: {{ .Values.monitoring.interval | quote }}
{{- end }}

{{/* Alerts, if the golden path gives any. Takes context and rules, a text. */}}
{{- define "service-library.prometheusRule" -}}
{{- $context := .context -}}
{{- if and $context.Values.monitoring.enabled $context.Values.monitoring.rules -}}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "service-library.metadata" (dict "context" $context "labels" $context.Values.monitoring.labels) | nindent 2 }}
spec:
  groups:
    - name: {{ include "service-library.name" $context | quote }}
      rules:
        {{- range .rules | fromYamlArray }}
        - alert: {{ .alert }}
          expr: {{ .expr | trim | quote }}
          for: {{ .for }}
          labels:
            severity: {{ .severity }}
            namespace: {{ $context.Release.Namespace | quote }}
            service: {{ include "service-library.name" $context | quote }}
            {{- with $context.Values.team }}
            team: {{ . | quote }}
            {{- end }}
            {{- with $context.Values.environment }}
            environment: {{ . | quote }}
            {{- end }}
            {{- with .labels }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          annotations:
            summary: {{ .summary | quote }}
            description: {{ .description | quote }}
        {{- end }}
{{- end }}
{{- end }}

{{/* The service's requests, as a PromQL selector without braces. What probes and Prometheus itself ask does
     not count. */}}
{{- define "service-library.requests" -}}
namespace={{ .Release.Namespace | quote }},job={{ include "service-library.name" . | quote }}
{{- range without (list .Values.healthPath .Values.readyPath .Values.monitoring.path | compact | uniq) "/" -}}
,route!={{ . | quote }}
{{- end -}}
{{- end }}

{{/* The service's containers, as a PromQL selector without braces. */}}
{{- define "service-library.containers" -}}
namespace={{ .Release.Namespace | quote }},container={{ include "service-library.name" . | quote }}
{{- end }}
