{{/* The ports as a list: as declared, and one named metrics if metrics have a port of their own. */}}
{{- define "base-service.ports" -}}
{{- $ports := .Values.ports | default (list (dict "name" "http" "port" .Values.port)) -}}
{{- $taken := list -}}
{{- range $ports }}
- name: {{ .name }}
  port: {{ int .port }}
  protocol: {{ .protocol | default "TCP" }}
{{- if ne .protocol "UDP" }}
{{- $taken = append $taken (int .port) }}
{{- end }}
{{- end }}
{{- if .Values.monitoring.enabled }}
{{- with .Values.monitoring.port }}
{{- if not (has (int .) $taken) }}
- name: metrics
  port: {{ int . }}
  protocol: TCP
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The first port: the one that health checks ask. */}}
{{- define "base-service.mainPort" -}}
{{- $main := include "base-service.ports" . | fromYamlArray | first -}}
{{- int $main.port -}}
{{- end }}

{{/* The port that answers with metrics: the one declared, else one named metrics, else the first. */}}
{{- define "base-service.metricsPort" -}}
{{- $port := include "base-service.mainPort" . -}}
{{- range .Values.ports }}
{{- if eq .name "metrics" }}
{{- $port = .port }}
{{- end }}
{{- end -}}
{{- .Values.monitoring.port | default $port | int -}}
{{- end }}

{{/* The name of that port. */}}
{{- define "base-service.metricsPortName" -}}
{{- $number := include "base-service.metricsPort" . | int -}}
{{- $names := list -}}
{{- range include "base-service.ports" . | fromYamlArray }}
{{- if and (eq (int .port) $number) (eq .protocol "TCP") }}
{{- $names = append $names .name }}
{{- end }}
{{- end -}}
{{- first $names -}}
{{- end }}

{{/* One check of a probe. Takes a path; without one a connection is enough. */}}
{{- define "base-service.check" -}}
{{- if .path -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
{{- else -}}
tcpSocket:
  port: {{ .port }}
{{- end }}
{{- end }}
