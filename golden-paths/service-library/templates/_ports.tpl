{{/* The ports as a list: as declared, and one named metrics if metrics have a port of their own. */}}
{{- define "service-library.ports" -}}
{{- $ports := .Values.ports -}}
{{- if and (not $ports) .Values.port -}}
{{- $ports = list (dict "name" "http" "port" .Values.port) -}}
{{- end -}}
{{- $taken := list -}}
{{- range $ports }}
- name: {{ .name | quote }}
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

{{/* The number of the first port, the one that health checks ask and routes lead to. Empty without ports. */}}
{{- define "service-library.mainPort" -}}
{{- range include "service-library.ports" . | fromYamlArray | first | list | compact -}}
{{- int .port -}}
{{- end -}}
{{- end }}

{{/* Its name. */}}
{{- define "service-library.mainPortName" -}}
{{- range include "service-library.ports" . | fromYamlArray | first | list | compact -}}
{{- .name -}}
{{- end -}}
{{- end }}

{{/* Whether there is something to collect metrics from: a path and a port. Empty if not. */}}
{{- define "service-library.scraped" -}}
{{- if and .Values.monitoring.enabled .Values.monitoring.path (include "service-library.mainPort" .) -}}
true
{{- end -}}
{{- end }}

{{/* The port that answers with metrics: the one declared, else one named metrics, else the first. */}}
{{- define "service-library.metricsPort" -}}
{{- $port := include "service-library.mainPort" . -}}
{{- range .Values.ports }}
{{- if eq .name "metrics" }}
{{- $port = .port }}
{{- end }}
{{- end -}}
{{- .Values.monitoring.port | default $port | int -}}
{{- end }}

{{/* The name of that port. */}}
{{- define "service-library.metricsPortName" -}}
{{- $number := include "service-library.metricsPort" . | int -}}
{{- $names := list -}}
{{- range include "service-library.ports" . | fromYamlArray }}
{{- if and (eq (int .port) $number) (eq .protocol "TCP") }}
{{- $names = append $names .name }}
{{- end }}
{{- end -}}
{{- first $names -}}
{{- end }}

{{/* One check of a probe. Takes a path; without one a connection is enough. */}}
{{- define "service-library.check" -}}
{{- if .path -}}
httpGet:
  path: {{ .path | quote }}
  port: {{ .port }}
{{- else -}}
tcpSocket:
  port: {{ .port }}
{{- end }}
{{- end }}

{{/* The three probes, as far as there is a port to ask. */}}
{{- define "service-library.probes" -}}
{{- with include "service-library.mainPort" . -}}
startupProbe:
  {{- include "service-library.check" (dict "path" $.Values.healthPath "port" .) | nindent 2 }}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: {{ $.Values.startupSeconds }}
livenessProbe:
  {{- include "service-library.check" (dict "path" $.Values.healthPath "port" .) | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  {{- include "service-library.check" (dict "path" ($.Values.readyPath | default $.Values.healthPath) "port" .) | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
{{- end -}}
{{- end }}
