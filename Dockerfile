# The server as a container: docker build --tag keyhaven .
# It listens on every address of its network, as a user that is not root. What it keeps is in /data, the CA's key too: its
# clients get the certificate alone, by `keyhaven ca export`. docs/container.md
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends cmake
WORKDIR /keyhaven
# What the server is built of, as a layer that is made again only when one of these files changes.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src benches/keyhaven examples/factory \
 && echo 'fn main() {}' | tee src/main.rs benches/keyhaven/main.rs examples/factory/main.rs \
 && touch src/lib.rs \
 && cargo build --profile dist --locked --bin keyhaven
COPY benches benches
COPY examples examples
COPY src src
# COPY keeps the times of the checkout's files, which may be older than the layer above.
RUN touch src/main.rs src/lib.rs && cargo build --profile dist --locked --bin keyhaven

FROM debian:bookworm-slim
# The system's roots: for webhooks, for issuers, and for the bundles of clients.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /keyhaven/target/dist/keyhaven /usr/local/bin/keyhaven
# New volumes take the owner of these directories: /trust is what clients are given. A configuration is mounted in the place of
# the one that says nothing.
RUN install --directory --mode=0700 --owner=65532 --group=65532 /data \
 && install --directory --mode=0755 --owner=65532 --group=65532 /trust \
 && install --directory /etc/keyhaven \
 && echo '{}' > /etc/keyhaven/config.json
ENV KEYHAVEN_DATA=/data KEYHAVEN_CONFIG=/etc/keyhaven/config.json
ENV KEYHAVEN_LISTEN=0.0.0.0:443 KEYHAVEN_IDENTITY_LISTEN=0.0.0.0:8080
EXPOSE 443 8080
VOLUME /data
USER 65532:65532
HEALTHCHECK --start-period=30s --start-interval=200ms --interval=10s --timeout=3s --retries=3 CMD ["keyhaven", "health"]
ENTRYPOINT ["keyhaven"]
CMD ["serve"]
