# The server as a container: docker build --tag keyhaven .
# It listens on every address of its network. What it keeps lies in /data, the CA's key too: its clients get the certificate
# alone, by `keyhaven ca export`.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends cmake
WORKDIR /keyhaven
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY benches benches
COPY examples examples
COPY src src
RUN cargo build --profile dist --locked --bin keyhaven

FROM debian:bookworm-slim
COPY --from=build /keyhaven/target/dist/keyhaven /usr/local/bin/keyhaven
ENV KEYHAVEN_DATA=/data
ENV KEYHAVEN_LISTEN=0.0.0.0:443 KEYHAVEN_IDENTITY_LISTEN=0.0.0.0:8080
EXPOSE 443 8080
VOLUME /data
HEALTHCHECK --interval=1s --timeout=1s --retries=30 CMD ["keyhaven", "health"]
ENTRYPOINT ["keyhaven"]
CMD ["serve"]
