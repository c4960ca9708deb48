//! Requests in absolute form, `GET http://HOST/PATH`: each is sent on to its host on a connection of its own, streaming
//! both ways.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, StatusCode, Uri, Version};
use hyper_util::client::proxy::matcher::Intercept;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::carry::Watch;
use super::target::Target;
use super::{Refused, Streamed};
use crate::http::{self, Response};

/// Header fields that concern one connection alone (RFC 9110, 7.6.1), and two that clients made up.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A connection to send one request on, and the proxy it leads to, if it does.
pub(super) struct Way {
    pub(super) stream: TcpStream,
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
        let request = outgoing(request, target, proxy.as_ref(), &watch)?;
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
        strip(&mut parts.headers);
        let body = Moving { body, watch, waiting: None, held: Some((connection, place)) };
        Ok(Response::from_parts(parts, body.boxed_unsync()))
    }
}

/// The request as it goes out: in origin form, or in absolute form to another proxy.
fn outgoing(
    request: http::Request,
    target: &Target,
    proxy: Option<&Intercept>,
    watch: &Watch,
) -> Result<Request<Moving<Incoming>>, Refused> {
    let malformed = |_| Refused { status: StatusCode::BAD_REQUEST, why: "The URL is malformed.".to_owned() };
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    strip(&mut parts.headers);
    if proxy.is_none() {
        parts.uri = origin_form(&parts.uri).parse::<Uri>().map_err(|_| malformed(()))?;
    }
    if let Some(credentials) = proxy.and_then(Intercept::basic_auth) {
        parts.headers.insert(PROXY_AUTHORIZATION, credentials.clone());
    }
    // The URL names the host; what the client wrote beside it does not count (RFC 9112, 3.2.2).
    let host = HeaderValue::from_str(&authority).or_else(|_| HeaderValue::from_str(&target.to_string()));
    parts.headers.insert(HOST, host.map_err(|_| malformed(()))?);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Request::from_parts(parts, Moving { body, watch: watch.clone(), waiting: None, held: None }))
}

/// The path and the query; a URL may leave the path out, a request may not (RFC 9112, 3.2.1).
fn origin_form(url: &Uri) -> String {
    let path = url.path_and_query().map_or("", |path| path.as_str());
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// Takes away what concerns the connection it came on.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Ends a connection with what needed it.
struct Ending(JoinHandle<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A body that tells a [`Watch`] of every piece, and breaks off when none comes for too long.
struct Moving<B> {
    body: B,
    watch: Watch,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    held: Option<(Ending, OwnedSemaphorePermit)>,
}

impl Body for Moving<Incoming> {
    type Data = Bytes;
    type Error = http::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, http::BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.watch.touch();
            this.waiting = None;
            if frame.is_none() {
                this.held = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let watch = this.watch.clone();
        let waiting = this.waiting.get_or_insert_with(|| {
            watch.touch();
            Box::pin(async move { watch.ran_out().await })
        });
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err("nothing came for too long".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
