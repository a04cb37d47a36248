{{/* How the namespace joins the mesh. Linkerd reads an annotation, Istio a label; Cilium needs neither. */}}
{{- define "team.meshLabels" -}}
{{- if eq .Values.network.mesh "istio" -}}
istio-injection: enabled
{{- end -}}
{{- end }}

{{- define "team.meshAnnotations" -}}
{{- if eq .Values.network.mesh "linkerd" -}}
linkerd.io/inject: enabled
{{- end -}}
{{- end }}
