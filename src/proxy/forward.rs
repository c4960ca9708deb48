//! Forwards a request in absolute form to its host, on a connection of its own. Both bodies are streamed.

use http_body_util::BodyExt;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Request, StatusCode, Version};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ProxyError;
use super::forwarded_body::{AbortOnDrop, ForwardedBody, Streamed, await_continue};
use super::hop_by_hop;
use super::relay::IdleTimer;
use super::target::Target;
use crate::http::byte_stream::ByteStream;
use crate::http::{self, Incoming, Response};

/// A connection for one request, to the host itself or to the parent proxy, which expects the absolute URL.
pub(super) struct UpstreamConnection {
    pub(super) stream: Box<dyn ByteStream>,
    pub(super) proxy: Option<Intercept>,
    pub(super) idle_timer: IdleTimer,
    pub(super) permit: OwnedSemaphorePermit,
}

impl UpstreamConnection {
    /// Sends `request` and returns the answer of `target`.
    pub(super) async fn send(self, request: http::Request, target: &Target) -> Result<Response<Streamed>, ProxyError> {
        let Self { stream, proxy, idle_timer, permit } = self;
        let broken = |error: &dyn std::fmt::Display| {
            ProxyError::new(StatusCode::BAD_GATEWAY, format!("{target} broke off the exchange: {error}."))
        };
        let request = upstream_request(request, proxy.as_ref(), &idle_timer)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
        let connection = AbortOnDrop(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let answer = tokio::select! {
            answer = sender.send_request(request) => answer.map_err(|error| broken(&error))?,
            () = idle_timer.expired() => {
                return Err(ProxyError::new(StatusCode::GATEWAY_TIMEOUT, format!("{target} did not answer in time.")));
            }
        };
        if answer.status().is_informational() {
            return Err(broken(&"it speaks another protocol, which nobody has asked for"));
        }
        let (mut parts, body) = answer.into_parts();
        hop_by_hop::strip(&mut parts.headers);
        let body = ForwardedBody::with_guards(body, idle_timer, (connection, permit));
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }
}

/// Converts a client's request to the one that goes out: in origin form, or in absolute form for a parent proxy.
fn upstream_request(
    request: http::Request,
    proxy: Option<&Intercept>,
    idle_timer: &IdleTimer,
) -> Result<Request<ForwardedBody<Incoming>>, ProxyError> {
    let (mut parts, body) = request.into_parts();
    let accepts_trailers = hop_by_hop::accepts_trailers(&parts.headers);
    hop_by_hop::strip(&mut parts.headers);
    if accepts_trailers {
        hop_by_hop::request_trailers(&mut parts.headers);
    }
    parts.headers.insert(HOST, hop_by_hop::host_field(&parts.uri)?);
    if proxy.is_none() {
        parts.uri = hop_by_hop::origin_form(&parts.uri)?;
    }
    if let Some(credentials) = proxy.and_then(Intercept::basic_auth) {
        parts.headers.insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let mut request = Request::from_parts(parts, ForwardedBody::new(body, idle_timer.clone()));
    await_continue(&mut request);
    Ok(request)
}
