{{/* The network policies of a workload: nothing comes in and nothing goes out, but names can be resolved and
     what the values declare is open. */}}
{{- define "service-library.networkPolicies" -}}
---
{{ include "service-library.networkPolicy" (dict "context" . "suffix" "-default-deny") }}
  policyTypes:
    - Ingress
    - Egress
---
{{ include "service-library.networkPolicy" (dict "context" . "suffix" "-allow-dns") }}
  policyTypes:
    - Egress
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
      ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
{{- with .Values.database | default dict }}
{{- if .enabled }}
---
{{ include "service-library.networkPolicy" (dict "context" $ "suffix" "-allow-database") }}
  {{- include "service-library.bindingEgress" (dict "binding" . "name" (include "service-library.databaseName" $)) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.cache | default dict }}
{{- if .enabled }}
---
{{ include "service-library.networkPolicy" (dict "context" $ "suffix" "-allow-cache") }}
  {{- include "service-library.bindingEgress" (dict "binding" . "name" (include "service-library.cacheName" $)) | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.dependsOn }}
---
{{ include "service-library.networkPolicy" (dict "context" $ "suffix" "-allow-dependencies") }}
  policyTypes:
    - Egress
  egress:
    {{- range . }}
    - to:
        {{- if hasKey . "host" }}
        {{- include "service-library.hostPeers" .host | nindent 8 }}
        {{- else }}
        {{- include "service-library.applicationPeer" . | nindent 8 }}
        {{- end }}
      ports:
        - port: {{ .port | default (ternary 443 8080 (hasKey . "host")) }}
          protocol: TCP
        {{- if not (hasKey . "host") }}
        {{- include "service-library.meshPeerPort" $ | indent 8 }}
        {{- end }}
    {{- end }}
{{- end }}
{{- with .Values.allowFrom }}
---
{{ include "service-library.networkPolicy" (dict "context" $ "suffix" "-allow-callers") }}
  policyTypes:
    - Ingress
  ingress:
    - from:
        {{- range . }}
        {{- include "service-library.applicationPeer" . | nindent 8 }}
        {{- end }}
      ports:
        {{- range include "service-library.ports" $ | fromYamlArray }}
        {{- if ne .name "metrics" }}
        - port: {{ .port }}
          protocol: {{ .protocol }}
        {{- end }}
        {{- end }}
        {{- include "service-library.meshPeerPort" $ | indent 8 }}
{{- end }}
{{- if include "service-library.scraped" . }}
---
{{ include "service-library.networkPolicy" (dict "context" . "suffix" "-allow-monitoring") }}
  policyTypes:
    - Ingress
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: {{ .Values.monitoring.namespace | quote }}
      ports:
        - port: {{ include "service-library.metricsPort" . }}
          protocol: TCP
        {{- include "service-library.meshMetricsPort" . | indent 8 }}
{{- end }}
{{- with include "service-library.meshEgress" . }}
---
{{ include "service-library.networkPolicy" (dict "context" $ "suffix" "-allow-mesh") }}
  policyTypes:
    - Egress
  egress:
    {{- . | nindent 4 }}
{{- end }}
{{- end }}

{{/* The beginning of a network policy for the service's pods. Takes context and the suffix of its name. */}}
{{- define "service-library.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "service-library.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "service-library.selectorLabels" .context | nindent 6 }}
{{- end }}

{{/* The way to a database or a cache. Takes its binding and its name. */}}
{{- define "service-library.bindingEgress" -}}
policyTypes:
  - Egress
egress:
  - to:
      {{- include "service-library.bindingPeers" (dict "host" .binding.host "type" .binding.type "name" .name) | nindent 6 }}
    ports:
      - port: {{ .binding.port }}
        protocol: TCP
{{- end }}
