# Images of nothing but a static binary, which `make images` builds first. Root certificates are in the program.
FROM scratch AS certgen
ARG TARGETARCH=amd64
COPY bin/linux-${TARGETARCH}/certgen /certgen
USER 65532:65532
ENTRYPOINT ["/certgen"]

FROM scratch AS runecast
ARG TARGETARCH=amd64
COPY bin/linux-${TARGETARCH}/runecast /runecast
USER 65532:65532
EXPOSE 9443
ENTRYPOINT ["/runecast"]
CMD ["serve"]
