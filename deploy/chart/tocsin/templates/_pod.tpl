{{/*
What every pod of an installation has in common: who it is, what it may, and how it reaches Kafka and the registry.
Call with (dict "root" $ "program" "router" "command" (list …) "env" (dict …)).
*/}}
{{- define "tocsin.pod.security" -}}
automountServiceAccountToken: false
# The variables of a Service called …-control would be taken for settings: TOCSIN_CONTROL_PORT.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tocsin.container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tocsin.env" -}}
{{- $values := .root.Values -}}
{{- $kafka := $values.kafka -}}
{{- $env := dict
    "TOCSIN_KAFKA" $kafka.bootstrap
    "TOCSIN_KAFKA_SECURITY" $kafka.security
    "TOCSIN_REGISTRY" $values.registry.url
    "TOCSIN_TOPIC_PREFIX" $values.topics.prefix
    "TOCSIN_PARTITIONS" $values.topics.partitions
    "TOCSIN_REPLICATION" $values.topics.replication
    "TOCSIN_CREATE_TOPICS" false
    "TOCSIN_STOP_DEADLINE_S" $values.stopDeadlineSeconds
    "TOCSIN_LOG_LEVEL" $values.logLevel -}}
{{- if hasSuffix "ssl" $kafka.security -}}
{{- $_ := set $env "TOCSIN_KAFKA_CA_FILE" (printf "/etc/tocsin/kafka-ca/%s" $kafka.caSecret.key) -}}
{{- end -}}
{{- if hasPrefix "sasl" $kafka.security -}}
{{- $_ := set $env "TOCSIN_KAFKA_MECHANISM" $kafka.mechanism -}}
{{- $_ := set $env "TOCSIN_KAFKA_USERNAME" (include "tocsin.user" .) -}}
{{- $_ := set $env "TOCSIN_KAFKA_PASSWORD_FILE" "/etc/tocsin/kafka/password" -}}
{{- else if eq $kafka.security "ssl" -}}
{{- $_ := set $env "TOCSIN_KAFKA_CERTIFICATE_FILE" "/etc/tocsin/kafka/user.crt" -}}
{{- $_ := set $env "TOCSIN_KAFKA_KEY_FILE" "/etc/tocsin/kafka/user.key" -}}
{{- end -}}
{{- with $kafka.tokenUrl }}{{ $_ := set $env "TOCSIN_KAFKA_TOKEN_URL" . }}{{ end -}}
{{- with $kafka.tokenScope }}{{ $_ := set $env "TOCSIN_KAFKA_TOKEN_SCOPE" . }}{{ end -}}
{{- with $kafka.options }}{{ $_ := set $env "TOCSIN_KAFKA_OPTIONS" (toJson .) }}{{ end -}}
{{- if $values.registry.caSecret.name -}}
{{- $_ := set $env "TOCSIN_REGISTRY_CA_FILE" (printf "/etc/tocsin/registry-ca/%s" $values.registry.caSecret.key) -}}
{{- end -}}
{{- range $name, $value := merge (dict) .env $values.env $env }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- with $values.registry.credentialsSecret }}
- name: TOCSIN_REGISTRY_USERNAME
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: TOCSIN_REGISTRY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end }}

{{- define "tocsin.mounts" -}}
{{- $values := .root.Values -}}
- {name: tmp, mountPath: /tmp}
{{- if ne $values.kafka.security "plaintext" }}
- {name: kafka, mountPath: /etc/tocsin/kafka, readOnly: true}
{{- end }}
{{- if hasSuffix "ssl" $values.kafka.security }}
- {name: kafka-ca, mountPath: /etc/tocsin/kafka-ca, readOnly: true}
{{- end }}
{{- if $values.registry.caSecret.name }}
- {name: registry-ca, mountPath: /etc/tocsin/registry-ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "tocsin.volumes" -}}
{{- $values := .root.Values -}}
- {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- if ne $values.kafka.security "plaintext" }}
- {name: kafka, secret: {secretName: {{ include "tocsin.user" . }}, defaultMode: 0440}}
{{- end }}
{{- if hasSuffix "ssl" $values.kafka.security }}
- {name: kafka-ca, secret: {secretName: {{ $values.kafka.caSecret.name }}, defaultMode: 0440}}
{{- end }}
{{- with $values.registry.caSecret }}
{{- if .name }}
- {name: registry-ca, secret: {secretName: {{ .name }}, defaultMode: 0440}}
{{- end }}
{{- end }}
{{- end }}
