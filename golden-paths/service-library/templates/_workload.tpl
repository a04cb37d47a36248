{{/* The Deployment: of a service, a worker, a site. */}}
{{- define "service-library.deployment" -}}
{{- with .Values.rollout -}}
{{- if and (eq .strategy "rolling") (regexMatch "^0+%?$" (toString .maxSurge)) (regexMatch "^0+%?$" (toString .maxUnavailable)) -}}
{{- fail "rollout.maxSurge and rollout.maxUnavailable are both zero: a new version could never start" -}}
{{- end -}}
{{- end -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "service-library.metadata" (dict "context" .) | nindent 2 }}
spec:
  {{- if include "service-library.suspended" . }}
  replicas: 0
  {{- else if not (or .Values.autoscaling.enabled (kindIs "invalid" .Values.replicas)) }}
  replicas: {{ .Values.replicas }}
  {{- end }}
  {{- if .Values.paused }}
  paused: true
  {{- end }}
  selector:
    matchLabels:
      {{- include "service-library.selectorLabels" . | nindent 6 }}
  strategy:
    {{- if or (eq .Values.rollout.strategy "recreate") (include "service-library.exclusive" .) }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate:
      maxSurge: {{ .Values.rollout.maxSurge }}
      maxUnavailable: {{ .Values.rollout.maxUnavailable }}
    {{- end }}
  template:
    {{- $pod := dict "context" . "spec" (include "service-library.spread" .) "annotations" "" }}
    {{- include "service-library.podTemplate" $pod | nindent 4 }}
{{- end }}

{{/* The pods of one rollout apart from each other, as far as there is room. */}}
{{- define "service-library.spread" -}}
{{- if .Values.spread -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "service-library.selectorLabels" $ | nindent 8 }}
    matchLabelKeys:
      - pod-template-hash
  {{- end }}
{{- end }}
{{- end }}

{{- define "service-library.autoscaler" -}}
{{- if and .Values.autoscaling.enabled (not (include "service-library.suspended" .)) -}}
{{- if lt (int .Values.autoscaling.max) (int .Values.autoscaling.min) -}}
{{- fail (printf "autoscaling.max is %d and autoscaling.min is %d: max cannot be less than min" (int .Values.autoscaling.max) (int .Values.autoscaling.min)) -}}
{{- end -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "service-library.metadata" (dict "context" .) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "service-library.name" . | quote }}
  minReplicas: {{ .Values.autoscaling.min }}
  maxReplicas: {{ .Values.autoscaling.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .Values.autoscaling.cpu }}
{{- end }}
{{- end }}

{{/* With one pod there is nothing to keep while a node is drained. Whoever sets replicas to null has an
     autoscaler, so there may be several. */}}
{{- define "service-library.disruptionBudget" -}}
{{- $several := or (kindIs "invalid" .Values.replicas) (gt (int .Values.replicas) 1) -}}
{{- if .Values.autoscaling.enabled -}}
{{- $several = gt (int .Values.autoscaling.min) 1 -}}
{{- end -}}
{{- if and .Values.disruptionBudget.enabled $several (not (include "service-library.suspended" .)) -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "service-library.metadata" (dict "context" .) | nindent 2 }}
spec:
  maxUnavailable: {{ .Values.disruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "service-library.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "service-library.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "service-library.metadata" (dict "context" .) | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "service-library.selectorLabels" . | nindent 4 }}
  ports:
    {{- range include "service-library.ports" . | fromYamlArray }}
    - name: {{ .name | quote }}
      port: {{ .port }}
      targetPort: {{ .name | quote }}
      protocol: {{ .protocol }}
    {{- end }}
{{- end }}
