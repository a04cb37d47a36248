{{/* The way in from outside, when the route has a host: an Ingress, or an HTTPRoute of a Gateway, and the
     network policies that let the traffic in. */}}
{{- define "service-library.route" -}}
{{- if .Values.route.host }}
{{- if eq .Values.route.kind "gateway" }}
---
{{ include "service-library.httpRoute" . }}
{{- else }}
---
{{ include "service-library.ingress" . }}
{{- end }}
---
{{ include "service-library.networkPolicy" (dict "context" . "suffix" "-allow-route") }}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ include "service-library.controllerNamespace" . | quote }}
      ports:
        - port: {{ include "service-library.mainPort" . }}
          protocol: TCP
        {{- include "service-library.meshPeerPort" . | indent 8 }}
{{- if include "service-library.issued" . }}
---
# While a certificate is made, its issuer asks a pod of its own in this namespace.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "service-library.metadata" (dict "context" . "suffix" "-allow-acme") | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      acme.cert-manager.io/http01-solver: "true"
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ include "service-library.controllerNamespace" . | quote }}
      ports:
        - port: 8089
          protocol: TCP
{{- end }}
{{- end }}
{{- end }}

{{/* Where the traffic comes from: as said, or the Gateway's own namespace, or that of ingress-nginx. */}}
{{- define "service-library.controllerNamespace" -}}
{{- if .Values.route.controllerNamespace -}}
{{- .Values.route.controllerNamespace -}}
{{- else if eq .Values.route.kind "gateway" -}}
{{- .Values.route.gateway.namespace | default .Release.Namespace -}}
{{- else -}}
ingress-nginx
{{- end -}}
{{- end }}

{{/* Whether cert-manager makes the certificate. Empty if not. */}}
{{- define "service-library.issued" -}}
{{- with .Values.route -}}
{{- if and (eq .kind "ingress") .tls .issuer -}}
true
{{- end -}}
{{- end -}}
{{- end }}

{{- define "service-library.ingress" -}}
{{- $name := include "service-library.name" . -}}
{{- $own := dict "external-dns.alpha.kubernetes.io/hostname" .Values.route.host -}}
{{- if include "service-library.issued" . -}}
{{- $own = set $own "cert-manager.io/cluster-issuer" .Values.route.issuer -}}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- $annotations := mergeOverwrite $own (.Values.route.annotations | default dict) }}
  {{- include "service-library.metadata" (dict "context" . "annotations" $annotations) | nindent 2 }}
spec:
  {{- with .Values.route.class }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- if .Values.route.tls }}
  tls:
    - hosts:
        - {{ .Values.route.host | quote }}
      secretName: {{ $name }}-tls
  {{- end }}
  rules:
    - host: {{ .Values.route.host | quote }}
      http:
        paths:
          - path: {{ .Values.route.path | quote }}
            pathType: Prefix
            backend:
              service:
                name: {{ $name | quote }}
                port:
                  name: {{ include "service-library.mainPortName" . | quote }}
{{- end }}

{{/* TLS is the Gateway's own business: its listener holds the certificate. */}}
{{- define "service-library.httpRoute" -}}
{{- if not .Values.route.gateway.name -}}
{{- fail "route.kind is gateway and route.gateway.name is empty: name the Gateway that takes the traffic in" -}}
{{- end -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "service-library.metadata" (dict "context" . "annotations" .Values.route.annotations) | nindent 2 }}
spec:
  parentRefs:
    - group: gateway.networking.k8s.io
      kind: Gateway
      name: {{ .Values.route.gateway.name | quote }}
      {{- with .Values.route.gateway.namespace }}
      namespace: {{ . | quote }}
      {{- end }}
  hostnames:
    - {{ .Values.route.host | quote }}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: {{ .Values.route.path | quote }}
      backendRefs:
        - group: ""
          kind: Service
          name: {{ include "service-library.name" . | quote }}
          port: {{ include "service-library.mainPort" . }}
          weight: 1
{{- end }}
