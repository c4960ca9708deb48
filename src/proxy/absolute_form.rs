//! Requests in absolute form: `GET http://HOST/PATH`, and `GET https://HOST/PATH`, which axios up to 1.13 and others send
//! to a proxy instead of `CONNECT`. One connection may carry requests for several hosts; each is decided by its own URL.

use hyper::StatusCode;
use hyper::header::HOST;

use super::forward::Way;
use super::relay::Watch;
use super::target::Target;
use super::traffic::Fate;
use super::{HTTPS, Leads, Proxy, Refused, Streamed, hop_by_hop, refused, streamed};
use crate::http::{ConnectionInfo, Request, Response};

impl Proxy {
    /// Answers a request whose URL names `target`.
    pub(super) async fn absolute(
        &self,
        request: Request,
        arrival: ConnectionInfo,
        target: &Target,
    ) -> Result<Response<Streamed>, Refused> {
        let is_secure = request.uri().scheme_str() == Some("https");
        match self.leads_to(target, is_secure)? {
            Leads::Here => self.answer_here(request, arrival, target).await,
            Leads::Metadata(answer) => {
                self.count(Fate::TakenOver, target.host());
                Ok(streamed(answer(request, ConnectionInfo { taken_over: true, ..arrival }).await))
            }
            Leads::On => self.send_on(request, target, is_secure).await,
        }
    }

    /// Where the request leads, or why it is refused.
    fn leads_to(&self, target: &Target, is_secure: bool) -> Result<Leads, Refused> {
        let host = target.host();
        let other_scheme = |why: String| Err(refused(StatusCode::BAD_REQUEST, why));
        match self.leads(target)? {
            Leads::Here if is_secure => only_https_port(target).map(|()| Leads::Here),
            Leads::Here => other_scheme(format!("{host} is asked over TLS: write https://{host}.")),
            Leads::Metadata(_) if is_secure => {
                other_scheme(format!("{host} is asked without TLS: write http://{host}."))
            }
            leads => Ok(leads),
        }
    }

    /// Answers for a name that is taken over, with the request as it would have come inside `CONNECT`.
    async fn answer_here(
        &self,
        mut request: Request,
        arrival: ConnectionInfo,
        target: &Target,
    ) -> Result<Response<Streamed>, Refused> {
        hop_by_hop::strip(request.headers_mut());
        let host = hop_by_hop::host_field(request.uri())?;
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() = hop_by_hop::origin_form(request.uri())?;
        self.count(Fate::TakenOver, target.host());
        Ok(streamed((self.set.answer)(request, ConnectionInfo { taken_over: true, ..arrival }).await))
    }

    /// Sends the request to `target`, over TLS when its URL says `https`.
    async fn send_on(&self, request: Request, target: &Target, is_secure: bool) -> Result<Response<Streamed>, Refused> {
        let place = self.place()?;
        let (stream, proxy) = match is_secure {
            true => (self.tls_client.connect(self.reach.tunnel(target).await?, target).await?, None),
            false => self.reach.plain(target).await?,
        };
        self.count(Fate::Tunnelled, target.host());
        let watch = Watch::new(self.set.limits.tunnel_idle);
        let sent = Way { stream, proxy, watch, place }.send(request, target).await;
        // It is counted as carried on already, as a tunnel is that breaks.
        Ok(sent.unwrap_or_else(|refused| {
            tracing::debug!(why = refused.why, "a request that was sent on came to nothing");
            refused.answer()
        }))
    }
}

/// Refuses every port of a taken-over name but the one that the cloud answers on.
pub(super) fn only_https_port(target: &Target) -> Result<(), Refused> {
    if target.port() == HTTPS {
        return Ok(());
    }
    let why = format!("{} is Keyhaven itself, on port {HTTPS} alone.", target.host());
    Err(refused(StatusCode::FORBIDDEN, why))
}
