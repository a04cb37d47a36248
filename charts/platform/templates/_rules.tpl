{{/*
What a service may be made of: what the golden paths render into a service's own namespace. A platform team whose
golden paths need more on the cluster's side adds it under `services.rules`.
*/}}
{{- define "platform.services.rules" -}}
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, serviceaccounts, services]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [daemonsets, deployments, statefulsets]
  verbs: [get, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, create, patch, delete]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [get, create, patch, delete]
- apiGroups: [external-secrets.io]
  resources: [externalsecrets]
  verbs: [get, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes, httproutes]
  verbs: [get, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors, prometheusrules, servicemonitors]
  verbs: [get, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, create, patch, delete]
- apiGroups: [{{ .Values.group }}]
  resources: [caches, databases]
  verbs: [get, create, patch, delete]
- apiGroups: [{{ .Values.group }}]
  resources: [applications/finalizers]
  verbs: [update]
{{- with .Values.services.rules }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The kinds of policies that say what the guardrails are. */}}
{{- define "platform.policies.rules" -}}
- apiGroups: [kyverno.io]
  resources: [cleanuppolicies, clustercleanuppolicies, clusterpolicies, policies, policyexceptions]
  verbs: [get, list, watch]
- apiGroups: [policies.kyverno.io]
  resources:
    - deletingpolicies
    - generatingpolicies
    - imagevalidatingpolicies
    - mutatingpolicies
    - namespaceddeletingpolicies
    - namespacedgeneratingpolicies
    - namespacedimagevalidatingpolicies
    - namespacedmutatingpolicies
    - namespacedvalidatingpolicies
    - policyexceptions
    - validatingpolicies
  verbs: [get, list, watch]
{{- end }}
