{{/* nginx.conf. Nothing of a request ever gets into it. */}}
{{- define "runecast.nginxConfiguration" -}}
worker_processes 2;
pid /tmp/nginx.pid;
error_log stderr notice;
worker_shutdown_timeout 115s;

events {
  worker_connections 4096;
}

http {
  # nginx writes the whole request line into messages of its error log, and so the key that may stand in a path. What went wrong
  # with a request stands in the access log: status, upstream's status and times.
  error_log stderr emerg;

  map $uri $loggable {
    "~^(?<before>.*/key/)" "$before…";
    default $uri;
  }
  log_format review escape=json '{"time":"$time_iso8601","remote":"$remote_addr","method":"$request_method","path":"$loggable",'
    '"status":$status,"bytes":$request_length,"seconds":$request_time,"upstream":"$upstream_addr",'
    '"upstreamStatus":"$upstream_status","upstreamSeconds":"$upstream_response_time","tls":"$ssl_protocol"}';
  access_log /dev/stdout review;

  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  server_tokens off;
  default_type application/octet-stream;
  client_max_body_size 32m;
  client_body_buffer_size 256k;
  client_header_timeout 10s;
  client_body_timeout 31s;
  send_timeout 31s;
  large_client_header_buffers 4 16k;

  # The API server keeps idle connections for 90 s and does not repeat a review on one that is closed under it.
  keepalive_timeout 120s;
  keepalive_requests 1000000;
  {{- with .Values.nginx.keepaliveMinTimeout }}
  keepalive_min_timeout {{ . }};
  {{- end }}

  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  ssl_session_timeout 1h;
  # Files that a variable names are read at each handshake: a certificate that is renewed needs no reload, and so no call is lost.
  map $ssl_server_name $serving {
    default /etc/nginx/tls;
  }

  # A status that asks to be repeated says when, or the API server would not.
  map $status $retry_after {
    429 1;
    502 1;
    503 1;
    504 1;
    default "";
  }

  upstream server {
    # Twice the same Service, so that a connection that a pod closes while it ends is tried again on another.
    server runecast-server.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:9443 max_fails=0;
    server runecast-server.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:9443 max_fails=0;
    keepalive 64;
    keepalive_timeout 60s;
    keepalive_requests 1000000;
  }

  server {
    listen {{ if .Values.nginx.ipv6 }}[::]:9080 ssl ipv6only=off{{ else }}9080 ssl{{ end }};
    server_name _;
    ssl_certificate $serving/tls.crt;
    ssl_certificate_key $serving/tls.key;
    add_header Retry-After $retry_after always;
    absolute_redirect off;

    # For the cluster's own probes and Prometheus, which ask the server itself.
    location = /metrics { return 404; }
    location = /readyz { return 404; }
    location = /healthz { return 404; }
    {{- with .Values.web.ingress.proxies }}

    # Of these alone it is believed for whom they ask.
    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
    {{- range . }}
    set_real_ip_from {{ . }};
    {{- end }}
    {{- end }}

    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    # Set, not added to: nobody chooses the address that attempts to log in are counted by.
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
    proxy_hide_header Retry-After;
    proxy_connect_timeout 2s;
    proxy_send_timeout 31s;
    proxy_read_timeout 31s;
    proxy_next_upstream error timeout http_502 http_503;
    proxy_next_upstream_tries 2;
    proxy_redirect off;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 3;
    proxy_ssl_trusted_certificate /etc/nginx/tls/ca.crt;
    proxy_ssl_name runecast-server.{{ .Release.Namespace }}.svc;
    proxy_ssl_server_name on;
    proxy_ssl_protocols TLSv1.2 TLSv1.3;

    # A review that a server lost is asked again: it changes nothing. A form that was sent is not, as it may have been taken.
    {{- range list "rc2" "rca" }}
    location ^~ /{{ . }}/api/v2/k8s-admission-policy-review {
      proxy_pass https://server;
      proxy_next_upstream error timeout http_502 http_503 non_idempotent;
    }
    {{- end }}

    # Pages and REST. The server takes less still, and says so itself.
    location / {
      proxy_pass https://server;
      client_max_body_size 4m;
    }

    # The server answers scan requests within the ten minutes that a caller may ask for.
    location ~ ^/(rc2/api/v2/images-scan-requests|rca/api/v2/images-scan-requests|api/v1/scan-requests)$ {
      proxy_pass https://server;
      client_max_body_size 4m;
      proxy_read_timeout 620s;
      proxy_next_upstream error http_502 http_503 non_idempotent;
    }

    # What comes of a scan, as it goes on.
    location ~ ^/scans/[^/]+/events$ {
      proxy_pass https://server;
      proxy_buffering off;
      proxy_read_timeout 620s;
      proxy_next_upstream error http_502 http_503;
    }
  }

  server {
    listen {{ if .Values.nginx.ipv6 }}[::]:8081 ipv6only=off{{ else }}8081{{ end }};
    access_log off;
    location = /healthz {
      default_type text/plain;
      return 200 "ok\n";
    }
    location / { return 404; }
  }
}
{{- end }}
