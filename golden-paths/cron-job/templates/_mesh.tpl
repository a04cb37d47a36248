{{/* A proxy that runs beside the job would keep it from ending; as a native sidecar it ends with it. */}}
{{- define "cron-job.meshAnnotations" -}}
{{- if eq .Values.mesh "linkerd" -}}
config.beta.linkerd.io/proxy-enable-native-sidecar: "true"
{{- else if eq .Values.mesh "istio" -}}
sidecar.istio.io/nativeSidecar: "true"
{{- end -}}
{{- end }}
