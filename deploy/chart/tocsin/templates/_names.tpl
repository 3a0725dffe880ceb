{{/* Labels of everything that is this release's. Call with the root. */}}
{{- define "tocsin.release" -}}
app.kubernetes.io/name: tocsin
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels that tell one program's pods from all others. Call with (dict "root" $ "program" "router"). */}}
{{- define "tocsin.selector" -}}
{{ include "tocsin.release" .root }}
app.kubernetes.io/component: {{ .program }}
{{- end }}

{{- define "tocsin.labels" -}}
{{ include "tocsin.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "tocsin.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* A program's principal, and the Secret that proves it. */}}
{{- define "tocsin.user" -}}
{{ .root.Values.topics.prefix }}-{{ .program }}
{{- end }}
