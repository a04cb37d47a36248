{{/* A Grafana dashboard in a ConfigMap, where Grafana's sidecar finds it. Takes context and panels, a text: a
     list of title, unit, and queries, each with expr and legend. */}}
{{- define "service-library.dashboard" -}}
{{- $context := .context -}}
{{- $name := include "service-library.name" $context -}}
{{- if and $context.Values.monitoring.enabled $context.Values.monitoring.dashboard -}}
{{- $source := dict "type" "prometheus" "uid" "${source}" -}}
{{- $panels := list -}}
{{- range $index, $panel := .panels | fromYamlArray -}}
{{- $targets := list -}}
{{- range $number, $query := $panel.queries -}}
{{- $targets = append $targets (dict "refId" (printf "Q%d" $number) "datasource" $source "expr" (trim $query.expr) "legendFormat" $query.legend) -}}
{{- end -}}
{{- $place := dict "x" (mul 12 (mod $index 2)) "y" (mul 8 (div $index 2)) "w" 12 "h" 8 -}}
{{- $field := dict "defaults" (dict "unit" $panel.unit "min" 0) "overrides" list -}}
{{- $panels = append $panels (dict "id" (add1 $index) "type" "timeseries" "title" $panel.title "description" ($panel.description | default "") "datasource" $source "gridPos" $place "fieldConfig" $field "targets" $targets) -}}
{{- end -}}
{{- $variable := dict "name" "source" "label" "Data source" "type" "datasource" "query" "prometheus" -}}
{{- $title := list $name $context.Values.environment | compact | join " " -}}
{{- $dashboard := dict "uid" (printf "%s/%s" $context.Release.Namespace $name | sha256sum | trunc 40) "title" $title "tags" (list "golden-path" $context.Chart.Name) "schemaVersion" 39 "editable" false "refresh" "30s" "time" (dict "from" "now-6h" "to" "now") "templating" (dict "list" (list $variable)) "panels" $panels -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "service-library.metadata" (dict "context" $context "suffix" "-dashboard" "labels" (dict "grafana_dashboard" "1")) | nindent 2 }}
data:
  {{ $name }}.json: |
    {{- toPrettyJson $dashboard | nindent 4 }}
{{- end }}
{{- end }}

{{/* Requests, errors and response times, as far as there are metrics of them. */}}
{{- define "service-library.requestPanels" -}}
{{- if include "service-library.scraped" . }}
{{- $requests := include "service-library.requests" . }}
- title: Requests by status
  unit: reqps
  queries:
    - expr: |
        sum by (status) (rate(http_requests_total{ {{- $requests }}}[$__rate_interval]))
      legend: {{ "{{status}}" | quote }}
- title: Requests by route
  unit: reqps
  queries:
    - expr: |
        sum by (method, route) (rate(http_requests_total{ {{- $requests }}}[$__rate_interval]))
      legend: {{ "{{method}} {{route}}" | quote }}
- title: Errors
  description: The share of requests answered with a status of 500 or more.
  unit: percentunit
  queries:
    - expr: |
        {{ include "service-library.errorRatio" (dict "requests" $requests "window" "$__rate_interval") }}
      legend: failed
- title: Response time
  unit: s
  queries:
    {{- range list "p50" "p95" "p99" }}
    - expr: |
        {{ include "service-library.latency" (dict "requests" $requests "quantile" . "window" "$__rate_interval") }}
      legend: {{ . }}
    {{- end }}
{{- end }}
{{- end }}

{{/* How much of what it may take a workload takes. */}}
{{- define "service-library.saturationPanels" -}}
{{- $containers := include "service-library.containers" . }}
- title: Processor time
  description: Cores in use, and the limit of one pod.
  unit: short
  queries:
    - expr: |
        sum by (pod) (rate(container_cpu_usage_seconds_total{ {{- $containers }}}[$__rate_interval]))
      legend: {{ "{{pod}}" | quote }}
    - expr: |
        max(kube_pod_container_resource_limits{ {{- $containers }},resource="cpu"})
      legend: limit
- title: Memory
  description: Memory in use, and the limit of one pod.
  unit: bytes
  queries:
    - expr: |
        sum by (pod) (container_memory_working_set_bytes{ {{- $containers }}})
      legend: {{ "{{pod}}" | quote }}
    - expr: |
        max(kube_pod_container_resource_limits{ {{- $containers }},resource="memory"})
      legend: limit
- title: Throttled
  description: The share of time in which a pod wanted processor time and was at its limit.
  unit: percentunit
  queries:
    - expr: |
        sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{ {{- $containers }}}[$__rate_interval])) / sum by (pod) (rate(container_cpu_cfs_periods_total{ {{- $containers }}}[$__rate_interval]))
      legend: {{ "{{pod}}" | quote }}
- title: Restarts
  unit: short
  queries:
    - expr: |
        sum by (pod) (increase(kube_pod_container_status_restarts_total{ {{- $containers }}}[$__rate_interval]))
      legend: {{ "{{pod}}" | quote }}
{{- end }}

{{/* How many pods of a Deployment there are. */}}
{{- define "service-library.deploymentPanels" -}}
{{- $deployment := printf "namespace=%q,deployment=%q" .Release.Namespace (include "service-library.name" .) }}
{{- include "service-library.requestPanels" . }}
- title: Pods
  unit: short
  queries:
    - expr: |
        kube_deployment_status_replicas_available{ {{- $deployment }}}
      legend: ready
    - expr: |
        kube_deployment_spec_replicas{ {{- $deployment }}}
      legend: wanted
{{- include "service-library.saturationPanels" . }}
{{- end }}

{{/* How the runs of a CronJob went. */}}
{{- define "service-library.cronJobPanels" -}}
{{- $name := include "service-library.name" . }}
{{- $job := printf "namespace=%q,cronjob=%q" .Release.Namespace $name }}
{{- $runs := printf "namespace=%q,job_name=~%q" .Release.Namespace (printf "%s-[0-9]+" $name) }}
- title: Time since the last run that succeeded
  unit: s
  queries:
    - expr: |
        time() - kube_cronjob_status_last_successful_time{ {{- $job }}}
      legend: since success
    - expr: |
        time() - kube_cronjob_status_last_schedule_time{ {{- $job }}}
      legend: since start
- title: Runs
  unit: short
  queries:
    - expr: |
        sum(kube_cronjob_status_active{ {{- $job }}})
      legend: under way
    - expr: |
        count(kube_job_complete{ {{- $runs }},condition="true"} == 1)
      legend: succeeded
    - expr: |
        count(kube_job_failed{ {{- $runs }},condition="true"} == 1)
      legend: failed
- title: Duration
  unit: s
  queries:
    - expr: |
        kube_job_status_completion_time{ {{- $runs }}} - kube_job_status_start_time{ {{- $runs }}}
      legend: {{ "{{job_name}}" | quote }}
{{- include "service-library.saturationPanels" . }}
{{- end }}
