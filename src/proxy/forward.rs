//! Sends a request in absolute form on to its host, on a connection of its own, streaming both ways.

use http_body_util::BodyExt;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::{Request, StatusCode, Version};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::forwarded_body::{Ending, Moving, hold_back};
use super::hop_by_hop;
use super::relay::{Stream, Watch};
use super::target::Target;
use super::{Refused, Streamed};
use crate::http::{self, Incoming, Response};

/// A connection to send one request on, and the proxy at its end that wants the whole URL, if there is one.
pub(super) struct Way {
    pub(super) stream: Box<dyn Stream>,
    pub(super) proxy: Option<Intercept>,
    pub(super) watch: Watch,
    pub(super) place: OwnedSemaphorePermit,
}

impl Way {
    /// Sends `request`; answers what `target` answers.
    pub(super) async fn send(self, request: http::Request, target: &Target) -> Result<Response<Streamed>, Refused> {
        let Self { stream, proxy, watch, place } = self;
        let broken = |error: &dyn std::fmt::Display| Refused {
            status: StatusCode::BAD_GATEWAY,
            why: format!("{target} broke off the exchange: {error}."),
        };
        let request = outgoing(request, proxy.as_ref(), &watch)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
        let connection = Ending(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let answer = tokio::select! {
            answer = sender.send_request(request) => answer.map_err(|error| broken(&error))?,
            () = watch.ran_out() => {
                let why = format!("{target} did not answer in time.");
                return Err(Refused { status: StatusCode::GATEWAY_TIMEOUT, why });
            }
        };
        if answer.status().is_informational() {
            return Err(broken(&"it speaks another protocol, which nobody has asked for"));
        }
        let (mut parts, body) = answer.into_parts();
        hop_by_hop::strip(&mut parts.headers);
        let body = Moving::holding(body, watch, (connection, place));
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }
}

/// The request as it goes out: in origin form, or in absolute form to another proxy.
fn outgoing(
    request: http::Request,
    proxy: Option<&Intercept>,
    watch: &Watch,
) -> Result<Request<Moving<Incoming>>, Refused> {
    let (mut parts, body) = request.into_parts();
    let takes_trailers = hop_by_hop::takes_trailers(&parts.headers);
    hop_by_hop::strip(&mut parts.headers);
    if takes_trailers {
        hop_by_hop::ask_for_trailers(&mut parts.headers);
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
    let mut request = Request::from_parts(parts, Moving::new(body, watch.clone()));
    hold_back(&mut request);
    Ok(request)
}
