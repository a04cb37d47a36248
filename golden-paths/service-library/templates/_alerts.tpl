{{/* The alerts that every workload of pods has, as a list of rules. */}}
{{- define "service-library.podAlerts" -}}
{{- $containers := include "service-library.containers" . }}
- alert: CrashLooping
  severity: critical
  for: 5m
  expr: |
    max by (namespace, pod) (max_over_time(kube_pod_container_status_waiting_reason{ {{- $containers }},reason="CrashLoopBackOff"}[5m])) >= 1
  summary: {{ include "service-library.name" . }} keeps crashing
  description: {{ printf "Pod {{ $labels.pod }} starts, ends and is started again. Its last output: kubectl -n %s logs {{ $labels.pod }} --previous" .Release.Namespace | quote }}
- alert: OutOfMemory
  severity: warning
  for: 0m
  expr: |
    max by (namespace, pod) (kube_pod_container_status_last_terminated_reason{ {{- $containers }},reason="OOMKilled"})
    * on (namespace, pod) max by (namespace, pod) (increase(kube_pod_container_status_restarts_total{ {{- $containers }}}[15m])) > 0
  summary: {{ include "service-library.name" . }} was stopped for want of memory
  description: {{ print "Pod {{ $labels.pod }} reached its memory limit. Choose a larger size, or look for a leak." | quote }}
{{- end }}

{{/* The alerts of a Deployment. */}}
{{- define "service-library.deploymentAlerts" -}}
{{- $name := include "service-library.name" . }}
{{- $deployment := printf "namespace=%q,deployment=%q" .Release.Namespace $name }}
{{- include "service-library.podAlerts" . }}
- alert: Down
  severity: critical
  for: 2m
  expr: |
    kube_deployment_status_replicas_available{ {{- $deployment }}} == 0
    and kube_deployment_spec_replicas{ {{- $deployment }}} > 0
  summary: {{ $name }} is down
  description: {{ printf "No pod is ready. See why: kubectl -n %s describe deployment %s" .Release.Namespace $name | quote }}
- alert: NotReady
  severity: warning
  for: 15m
  expr: |
    kube_deployment_status_replicas_available{ {{- $deployment }}}
    < kube_deployment_spec_replicas{ {{- $deployment }}}
  summary: {{ $name }} runs with fewer pods than it should
  description: {{ printf "{{ $value }} pods have been ready for 15 minutes, which is not all of them. See why: kubectl -n %s describe deployment %s" .Release.Namespace $name | quote }}
{{- if include "service-library.scraped" . }}
- alert: MetricsMissing
  severity: warning
  for: 10m
  expr: |
    up{namespace={{ .Release.Namespace | quote }},job={{ $name | quote }}} == 0
  summary: {{ $name }} gives no metrics
  description: {{ printf "Pod {{ $labels.pod }} does not answer at %s, so the other alerts are blind." .Values.monitoring.path | quote }}
{{- end }}
{{- include "service-library.requestAlerts" . }}
{{- end }}

{{/* The alerts asked for by name. They need metrics of requests. */}}
{{- define "service-library.requestAlerts" -}}
{{- $requests := include "service-library.requests" . }}
{{- $name := include "service-library.name" . }}
{{- with .Values.monitoring.alerts }}
{{- if not (include "service-library.scraped" $) }}
{{- fail (printf "monitoring.alerts asks for %s, but there are no metrics: set monitoring.path and a port" (first .)) }}
{{- end }}
{{- end }}
{{- if has "high-error-rate" .Values.monitoring.alerts }}
{{- $availability := .Values.monitoring.slo.availability | toString | trimSuffix "%" | float64 }}
{{- $budget := divf (subf 100 $availability) 100 }}
{{- range list (dict "long" "1h" "short" "5m" "burn" 14.4 "for" "2m" "severity" "critical") (dict "long" "6h" "short" "30m" "burn" 6 "for" "15m" "severity" "warning") }}
{{- /* Where little is promised, an hour of nothing but errors must still be an alert. */}}
{{- $most := minf (mulf .burn $budget) 0.9 }}
- alert: HighErrorRate
  severity: {{ .severity }}
  for: {{ .for }}
  labels:
    window: {{ .long }}
  expr: |
    {{ include "service-library.errorRatio" (dict "requests" $requests "window" .long) }} > {{ $most }}
    and {{ include "service-library.errorRatio" (dict "requests" $requests "window" .short) }} > {{ $most }}
  summary: {{ $name }} answers with too many errors
  description: {{ printf "{{ $value | humanizePercentage }} of the requests failed in the last %s; the aim is that %v%% succeed." .long $availability | quote }}
{{- end }}
{{- end }}
{{- if has "high-latency" .Values.monitoring.alerts }}
{{- range $quantile, $limit := .Values.monitoring.slo.latency }}
{{- $seconds := include "service-library.seconds" $limit }}
- alert: HighLatency
  severity: warning
  for: 10m
  labels:
    quantile: {{ $quantile }}
  expr: |
    {{ include "service-library.latency" (dict "requests" $requests "quantile" $quantile "window" "5m") }} > {{ $seconds }}
  summary: {{ $name }} answers too slowly
  description: {{ printf "The %s of the response time is {{ $value | humanizeDuration }}; the aim is %s." $quantile $limit | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The alerts of a CronJob. */}}
{{- define "service-library.cronJobAlerts" -}}
{{- $name := include "service-library.name" . }}
{{- $job := printf "namespace=%q,cronjob=%q" .Release.Namespace $name }}
{{- include "service-library.podAlerts" . }}
- alert: RunFailed
  severity: critical
  for: 1m
  expr: |
    kube_cronjob_status_last_schedule_time{ {{- $job }}}
    > (kube_cronjob_status_last_successful_time{ {{- $job }}} or kube_cronjob_status_last_schedule_time{ {{- $job }}} * 0)
    and on (namespace, cronjob) kube_cronjob_status_active{ {{- $job }}} == 0
  summary: The last run of {{ $name }} failed
  description: {{ printf "It will run again when its schedule says so. See why it failed: kubectl -n %s get jobs,pods -l app.kubernetes.io/name=%s" .Release.Namespace $name | quote }}
- alert: RunMissed
  severity: warning
  for: 5m
  expr: |
    time() - kube_cronjob_next_schedule_time{ {{- $job }}} > 600
    and on (namespace, cronjob) kube_cronjob_spec_suspend{ {{- $job }}} == 0
  summary: {{ $name }} did not start when it should have
  description: {{ printf "It is late by {{ $value | humanizeDuration }}: a former run may still be under way. See: kubectl -n %s describe cronjob %s" .Release.Namespace $name | quote }}
{{- end }}

{{/* The share of requests that failed, as PromQL. Takes requests, a selector, and window. */}}
{{- define "service-library.errorRatio" -}}
sum by (namespace, job) (rate(http_requests_total{ {{- .requests }},status=~"5.."}[{{ .window }}])) / sum by (namespace, job) (rate(http_requests_total{ {{- .requests }}}[{{ .window }}]))
{{- end }}

{{/* A quantile of the response time in seconds, as PromQL. Takes requests, window and quantile, such as p99. */}}
{{- define "service-library.latency" -}}
histogram_quantile(0.{{ trimPrefix "p" .quantile }}, sum by (namespace, job, le) (rate(http_request_duration_seconds_bucket{ {{- .requests }}}[{{ .window }}])))
{{- end }}

{{/* 500ms or 2s as a number of seconds. */}}
{{- define "service-library.seconds" -}}
{{- if hasSuffix "ms" . -}}
{{- divf (trimSuffix "ms" . | float64) 1000 -}}
{{- else -}}
{{- trimSuffix "s" . | float64 -}}
{{- end -}}
{{- end }}
