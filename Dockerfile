# Images of nothing but a static binary, and of the root certificates for registries; `make images` puts both in place first.
FROM scratch AS certgen
ARG TARGETARCH=amd64
COPY bin/linux-${TARGETARCH}/certgen /certgen
USER 65532:65532
ENTRYPOINT ["/certgen"]

FROM scratch AS runecast
ARG TARGETARCH=amd64
COPY bin/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY bin/linux-${TARGETARCH}/runecast /runecast
USER 65532:65532
EXPOSE 9443
ENTRYPOINT ["/runecast"]
CMD ["serve"]
