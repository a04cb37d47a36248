{{/* The pods that answer for a binding. Takes host, type, name. */}}
{{- define "service-library.bindingPeers" -}}
{{- if .host -}}
{{ include "service-library.hostPeers" .host }}
{{- else -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .type | quote }}
      app.kubernetes.io/instance: {{ .name | quote }}
{{- end }}
{{- end }}

{{/* A host outside the cluster. Network policies know addresses, not names: a name opens its port
     to every address but the link-local ones, where clouds keep their metadata. */}}
{{- define "service-library.hostPeers" -}}
{{- if regexMatch "^[0-9]+(\\.[0-9]+){3}$" . -}}
- ipBlock:
    cidr: {{ . }}/32
{{- else if contains ":" . -}}
- ipBlock:
    cidr: {{ . }}/128
{{- else -}}
- ipBlock:
    cidr: 0.0.0.0/0
    except:
      - 169.254.0.0/16
- ipBlock:
    cidr: ::/0
    except:
      - fe80::/10
{{- end }}
{{- end }}

{{/* Another service: its pods here, its pods in a namespace, or everything in a namespace. */}}
{{- define "service-library.applicationPeer" -}}
{{- $all := or (not .application) (eq .application "*") -}}
- podSelector:
    {{- if $all }} {}
    {{- else }}
    matchLabels:
      app.kubernetes.io/name: {{ .application | quote }}
    {{- end }}
  {{- with .namespace }}
  namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . | quote }}
  {{- end }}
{{- end }}
