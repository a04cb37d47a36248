{{/* How the pods join the mesh. Linkerd reads an annotation, Istio a label; Cilium needs neither. */}}
{{- define "service-library.meshLabels" -}}
{{- if eq .Values.mesh "istio" -}}
sidecar.istio.io/inject: "true"
{{- end -}}
{{- end }}

{{- define "service-library.meshAnnotations" -}}
{{- if eq .Values.mesh "linkerd" -}}
linkerd.io/inject: enabled
{{- end -}}
{{- end }}

{{/* The proxy's way to its control plane, as an egress rule. */}}
{{- define "service-library.meshEgress" -}}
{{- if eq .Values.mesh "linkerd" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: linkerd
  ports:
    {{- range list 8080 8086 8090 }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- else if eq .Values.mesh "istio" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: istio-system
  ports:
    - port: 15012
      protocol: TCP
{{- end -}}
{{- end }}

{{/* The port under which one meshed pod may reach another beside the declared one: Linkerd's proxies
     speak to each other on a port of their own. */}}
{{- define "service-library.meshPeerPort" -}}
{{- if eq .Values.mesh "linkerd" }}
- port: 4143
  protocol: TCP
{{- end }}
{{- end }}

{{/* The port that the proxy answers with its metrics. */}}
{{- define "service-library.meshMetricsPort" -}}
{{- if eq .Values.mesh "linkerd" }}
- port: 4191
  protocol: TCP
{{- else if eq .Values.mesh "istio" }}
- port: 15020
  protocol: TCP
{{- end }}
{{- end }}
