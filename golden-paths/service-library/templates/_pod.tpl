{{/* The pod template of a workload. Takes context, and as texts what this kind of workload adds: spec and
     annotations. */}}
{{- define "service-library.podTemplate" -}}
{{- $context := .context -}}
metadata:
  labels:
    {{- include "service-library.labels" $context | nindent 4 }}
    {{- with mergeOverwrite (include "service-library.meshLabels" $context | fromYaml) ($context.Values.podLabels | default dict) }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- $annotations := printf "%s\n%s" (include "service-library.podAnnotations" $context) .annotations | fromYaml }}
    {{- mergeOverwrite $annotations ($context.Values.podAnnotations | default dict) | toYaml | nindent 4 }}
spec:
  {{- include "service-library.podSpec" $context | nindent 2 }}
  {{- with .spec }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* What the pods say about themselves to those who look after them. */}}
{{- define "service-library.podAnnotations" -}}
kubectl.kubernetes.io/default-container: {{ include "service-library.name" . | quote }}
{{- with .Values.config }}
checksum/config: {{ toJson . | sha256sum }}
{{- end }}
{{- if include "service-library.scraped" . }}
prometheus.io/scrape: "true"
prometheus.io/path: {{ .Values.monitoring.path | quote }}
prometheus.io/port: {{ include "service-library.metricsPort" . | quote }}
{{- end }}
{{ include "service-library.meshAnnotations" . }}
{{- end }}

{{/* The pod itself, under the restricted Pod Security Standard. */}}
{{- define "service-library.podSpec" -}}
serviceAccountName: {{ include "service-library.name" . | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.shutdownSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ int64 .Values.runAsUser }}
  runAsGroup: {{ int64 .Values.runAsUser }}
  fsGroup: {{ int64 .Values.runAsUser }}
  seccompProfile:
    type: RuntimeDefault
containers:
  - {{- include "service-library.container" . | nindent 4 }}
volumes:
  {{- include "service-library.volumes" . | nindent 2 }}
{{- end }}

{{- define "service-library.container" -}}
name: {{ include "service-library.name" . | quote }}
image: {{ .Values.image | default .Values.placeholderImage | quote }}
{{- with .Values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "service-library.ports" . | fromYamlArray }}
ports:
  {{- range . }}
  - name: {{ .name | quote }}
    containerPort: {{ .port }}
    protocol: {{ .protocol }}
  {{- end }}
{{- end }}
{{- with include "service-library.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests:
    {{- range $resource, $quantity := .Values.resources.requests }}
    {{ $resource }}: {{ $quantity | quote }}
    {{- end }}
  limits:
    {{- range $resource, $quantity := .Values.resources.limits }}
    {{ $resource }}: {{ $quantity | quote }}
    {{- end }}
{{- with include "service-library.probes" . }}
{{ . }}
{{- end }}
{{- /* Its last lines go into its status when it fails: whoever asks why it did finds them there. */}}
terminationMessagePolicy: FallbackToLogsOnError
securityContext:
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop:
      - ALL
  seccompProfile:
    type: RuntimeDefault
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if .Values.config }}
  - name: config
    mountPath: /config
    readOnly: true
  {{- end }}
  {{- range include "service-library.bindings" . | fromYamlArray }}
  - name: binding-{{ . }}
    mountPath: /bindings/{{ . }}
    readOnly: true
  {{- end }}
  {{- range .Values.secrets }}
  - name: secret-{{ .name }}
    mountPath: /secrets/{{ .name }}
    readOnly: true
  {{- end }}
  {{- range .Values.storage }}
  - name: volume-{{ include "service-library.pathName" .path }}
    mountPath: {{ .path | quote }}
  {{- end }}
{{- end }}

{{- define "service-library.volumes" -}}
- name: tmp
  emptyDir: {}
{{- if .Values.config }}
- name: config
  configMap:
    name: {{ include "service-library.name" . }}-config
{{- end }}
{{- range include "service-library.bindings" . | fromYamlArray }}
- name: binding-{{ . }}
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- range .Values.secrets }}
- name: secret-{{ .name }}
  secret:
    secretName: {{ .name | quote }}
    defaultMode: 0440
    {{- with .keys }}
    items:
      {{- range . }}
      - key: {{ . | quote }}
        path: {{ . | quote }}
      {{- end }}
    {{- end }}
{{- end }}
{{- range .Values.storage }}
- name: volume-{{ include "service-library.pathName" .path }}
  persistentVolumeClaim:
    claimName: {{ include "service-library.name" $ }}-{{ include "service-library.pathName" .path }}
{{- end }}
{{- end }}

{{- define "service-library.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "service-library.metadata" (dict "context" . "annotations" .Values.serviceAccount.annotations) | nindent 2 }}
automountServiceAccountToken: false
{{- end }}
