//! Plain HTTP on a TLS port: such a request gets one answer that names the URL with `https`, and the connection ends. A
//! client's first byte shows which protocol it speaks.

use std::convert::Infallible;
use std::io;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode, body};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use super::authority::Authority;
use super::byte_stream::{ByteStream, PrefixedStream};
use super::error::ApiError;
use super::limits::Limits;
use super::{ConnectionInfo, Response, incoming};

/// The longest URL, in bytes, that is named whole; of a longer one the host is.
const MAX_URL_BYTES: usize = 1024;
/// The most bytes read before the protocol is known; one is enough, and most ClientHellos come whole.
const SNIFFED_BYTES: usize = 2048;

/// Reads a client's first bytes. Returns the stream, which returns them again, and whether they are plain HTTP.
///
/// # Errors
/// When the stream cannot be read.
pub(super) async fn sniff<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(PrefixedStream<S>, bool)> {
    let mut prefix = Vec::with_capacity(SNIFFED_BYTES);
    stream.read_buf(&mut prefix).await?;
    // Methods begin with a capital letter (RFC 9110, 9.3), a TLS handshake with 0x16, an SSL 2 hello with 0x80 and above.
    let is_plain = prefix.first().is_some_and(u8::is_ascii_uppercase);
    Ok((PrefixedStream { prefix: prefix.into(), stream }, is_plain))
}

/// Answers the one request of a client that speaks plain HTTP, and ends the connection. The caller bounds the time.
pub(super) async fn refuse<S>(stream: PrefixedStream<S>, info: ConnectionInfo, limits: &Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // Boxed, so that the server for plain HTTP is compiled once.
    let stream: Box<dyn ByteStream> = Box::new(stream);
    let (most, timeout) = (limits.body_bytes, limits.header_timeout);
    let service = service_fn(async |request: Request<body::Incoming>| {
        let answer = refusal(&request, info).into_response();
        incoming::drain(request.into_body(), most, timeout).await;
        Ok::<Response, Infallible>(answer)
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).header_read_timeout(None).max_headers(limits.headers);
    builder.max_buf_size(limits.header_bytes.max(8192));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, peer = %info.peer, "a client spoke neither TLS nor HTTP");
    }
}

/// In the form of all errors here: people read the sentence, and SDKs show it.
fn refusal<B>(request: &Request<B>, info: ConnectionInfo) -> ApiError {
    let text = match url(request, info) {
        Some(url) => format!("Plain HTTP was sent where HTTPS is spoken. Use {url} instead."),
        None => "Plain HTTP was sent where HTTPS is spoken. Use an https URL instead.".to_owned(),
    };
    ApiError::new(StatusCode::BAD_REQUEST, "HttpsRequired", text)
}

/// The URL that was asked, with `https`; the listener's address replaces a host that is missing or malformed.
fn url<B>(request: &Request<B>, info: ConnectionInfo) -> Option<String> {
    let port = if info.taken_over { 443 } else { info.local.port() };
    let host = Authority::of(request).map(|authority| authority.on_port(port).without_default_port().to_string());
    let origin = format!("https://{}", host.or_else(|| (!info.taken_over).then(|| info.local.to_string()))?);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let whole = if path.starts_with('/') { format!("{origin}{path}") } else { format!("{origin}/") };
    Some(if whole.len() > MAX_URL_BYTES { origin } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str, host: Option<&str>, taken_over: bool) -> Option<String> {
        let mut request = Request::get(line);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let (peer, local) = (([127, 0, 0, 1], 50_000).into(), ([127, 0, 0, 1], 8443).into());
        url(&request.body(()).unwrap(), ConnectionInfo { peer, local, taken_over, is_service: false })
    }

    #[test]
    fn the_url_is_the_one_that_was_asked_with_https() {
        for (line, host, taken_over, expected) in [
            ("/secrets/a?x=1", Some("a.vault.localhost:8443"), false, "https://a.vault.localhost:8443/secrets/a?x=1"),
            ("/", Some("a.vault.localhost"), false, "https://a.vault.localhost:8443/"),
            ("http://b.localhost:9/keys", Some("a.localhost"), false, "https://b.localhost:9/keys"),
            ("/", Some("a b"), false, "https://127.0.0.1:8443/"),
            ("/keys", None, false, "https://127.0.0.1:8443/keys"),
            ("/keys", Some("a.vault.azure.net"), true, "https://a.vault.azure.net/keys"),
            ("*", Some("a.localhost:1"), false, "https://a.localhost:1/"),
        ] {
            assert_eq!(named(line, host, taken_over).as_deref(), Some(expected), "{line} {host:?}");
        }
        assert_eq!(named("/keys", None, true), None);
        let long = format!("/{}", "x".repeat(2000));
        assert_eq!(named(&long, Some("a.localhost:1"), false).as_deref(), Some("https://a.localhost:1"));
    }

    #[tokio::test]
    async fn only_what_begins_with_a_method_is_plain_and_none_of_it_is_lost() {
        use tokio::io::AsyncWriteExt;
        for (received, plain) in
            [(&b"GET / HTTP/1.1\r\n\r\n"[..], true), (&[22, 3, 1, 0, 5], false), (&[128, 46, 1], false), (&[], false)]
        {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(received).await.unwrap();
            drop(client);
            let (mut sniffed, is_plain) = sniff(server).await.unwrap();
            assert_eq!(is_plain, plain, "{received:?}");
            let mut rest = Vec::new();
            sniffed.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, received);
        }
    }
}
