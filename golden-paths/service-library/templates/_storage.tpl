{{/* A path as a part of a name: /var/data is var-data. */}}
{{- define "service-library.pathName" -}}
{{- . | trimAll "/" | replace "/" "-" -}}
{{- end }}

{{/* Whether a volume can be held by one node at a time. Empty if all can be shared. */}}
{{- define "service-library.exclusive" -}}
{{- range .Values.storage -}}
{{- if has (.accessMode | default "ReadWriteOnce") (list "ReadWriteOnce" "ReadWriteOncePod") -}}
true
{{- end -}}
{{- end -}}
{{- end }}

{{/* A claim for each entry of storage. Data outlives the release, whoever takes it away. */}}
{{- define "service-library.persistentVolumeClaims" -}}
{{- $keep := dict "helm.sh/resource-policy" "keep" "argocd.argoproj.io/sync-options" "Prune=false,Delete=false" -}}
{{- range .Values.storage }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "service-library.metadata" (dict "context" $ "suffix" (printf "-%s" (include "service-library.pathName" .path)) "annotations" $keep) | nindent 2 }}
spec:
  accessModes:
    - {{ .accessMode | default "ReadWriteOnce" }}
  {{- with .class }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ .size | quote }}
{{- end }}
{{- end }}

{{/* The files of config. */}}
{{- define "service-library.configMap" -}}
{{- if .Values.config -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "service-library.metadata" (dict "context" . "suffix" "-config") | nindent 2 }}
data:
  {{- toYaml .Values.config | nindent 2 }}
{{- end }}
{{- end }}
