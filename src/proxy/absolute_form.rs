//! Requests in absolute form: `GET http://HOST/PATH`, and `GET https://HOST/PATH`, which axios up to 1.13 and others send
//! to a proxy instead of `CONNECT`. One connection may carry requests for several hosts; each is routed by its own URL.

use hyper::StatusCode;
use hyper::header::HOST;

use super::error::ProxyError;
use super::forward::UpstreamConnection;
use super::forwarded_body::{Streamed, streamed};
use super::relay::IdleTimer;
use super::route::{Route, only_https_port};
use super::target::Target;
use super::traffic::Outcome;
use super::{Proxy, hop_by_hop};
use crate::http::{ConnectionInfo, Request, Response, body};

impl Proxy {
    /// Answers a request whose URL names `target`.
    pub(super) async fn absolute(
        &self,
        request: Request,
        info: ConnectionInfo,
        target: &Target,
    ) -> Result<Response<Streamed>, ProxyError> {
        let is_secure = request.uri().scheme_str() == Some("https");
        match self.route_absolute(target, is_secure)? {
            Route::Local => self.answer_locally(request, info, target).await,
            Route::Metadata => Ok(self.answer_metadata(request, info, target).await),
            Route::Upstream => self.forward(request, target, is_secure).await,
        }
    }

    /// Decides where the request goes; refuses a scheme that the target does not speak.
    pub(super) fn route_absolute(&self, target: &Target, is_secure: bool) -> Result<Route, ProxyError> {
        let host = target.host();
        let other_scheme = |why: String| Err(ProxyError::new(StatusCode::BAD_REQUEST, why));
        match self.route(target)? {
            Route::Local if is_secure => only_https_port(target).map(|()| Route::Local),
            Route::Local => other_scheme(format!("{host} is asked over TLS: write https://{host}.")),
            Route::Metadata if is_secure => other_scheme(format!("{host} is asked without TLS: write http://{host}.")),
            route => Ok(route),
        }
    }

    /// Answers for a taken-over name, with the request as it would have come inside `CONNECT`.
    async fn answer_locally(
        &self,
        mut request: Request,
        info: ConnectionInfo,
        target: &Target,
    ) -> Result<Response<Streamed>, ProxyError> {
        hop_by_hop::strip(request.headers_mut());
        let host = hop_by_hop::host_field(request.uri())?;
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() = hop_by_hop::origin_form(request.uri())?;
        self.count(Outcome::TakenOver, target);
        Ok(streamed((self.set.answer)(request, ConnectionInfo { taken_over: true, ..info }).await))
    }

    /// Answers for the metadata service.
    async fn answer_metadata(&self, request: Request, info: ConnectionInfo, target: &Target) -> Response<Streamed> {
        self.count(Outcome::TakenOver, target);
        let info = ConnectionInfo { taken_over: true, ..info };
        match &self.set.metadata {
            Some(handler) => streamed(handler(request, info).await),
            None => streamed(body::empty(StatusCode::NOT_FOUND)),
        }
    }

    /// Forwards the request to `target`, over TLS when its URL says `https`.
    async fn forward(
        &self,
        request: Request,
        target: &Target,
        is_secure: bool,
    ) -> Result<Response<Streamed>, ProxyError> {
        let permit = self.acquire_permit()?;
        let (stream, proxy) = match is_secure {
            true => (self.tls_client.connect(self.dialer.dial_tunnel(target).await?, target, None).await?, None),
            false => self.dialer.dial_http(target).await?,
        };
        self.count(Outcome::Tunnelled, target);
        let idle_timer = IdleTimer::new(self.set.limits.tunnel_idle);
        let sent = UpstreamConnection { stream, proxy, idle_timer, permit }.send(request, target).await;
        // Already counted as tunnelled, like a tunnel that breaks later.
        Ok(sent.unwrap_or_else(|error| {
            tracing::debug!(why = error.reason, "a forwarded request failed");
            error.answer()
        }))
    }
}
