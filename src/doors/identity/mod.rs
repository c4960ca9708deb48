//! Tokens for managed identities in the forms of the metadata service (IMDS), App Service, Azure Arc and Service Fabric;
//! besides them `/health` and `/ca.pem`. Clients retry 404, 410, 429 and 5xx for a minute, so a refusal is always 400 or 401.

mod app_service;
mod arc;
mod fabric;
mod imds;
mod token;
mod token_request;

use std::path::PathBuf;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::crypto::credential;
use crate::directory::{Directory, TokenResources, UnknownIdentities};
use crate::http::allowed_hosts::AllowedHosts;
use crate::http::authority::Authority;
use crate::http::error::ErrorCode;
use crate::http::routes::{self, Lookup, Routes};
use crate::http::{BoxFuture, ConnectionInfo, Request, Response, body};
use crate::operation::Operation;
use crate::random::Random;
use crate::trail::{Answered, AskedFor, Trail};

use arc::ArcKey;
use token_request::TokenRequest;

/// The path of `IDENTITY_ENDPOINT`, App Service's form.
pub(crate) const APP_SERVICE_PATH: &str = "/msi/token";
/// The path of `IDENTITY_ENDPOINT`, Azure Arc's form.
pub(crate) const ARC_PATH: &str = "/arc/metadata/identity/oauth2/token";
/// The path of `IDENTITY_ENDPOINT`, Service Fabric's form: asked over TLS, on the listener of the vaults.
pub(crate) const FABRIC_PATH: &str = "/fabric/metadata/identity/oauth2/token";

static IMDS: Operation = get("ManagedIdentityToken", "/metadata/identity/oauth2/token");
static APP_SERVICE: Operation = get("AppServiceToken", APP_SERVICE_PATH);
static ARC: Operation = get("ArcToken", ARC_PATH);
static FABRIC: Operation = get("ServiceFabricToken", FABRIC_PATH);
static HEALTH: Operation = get("Health", "/health");
static CA: Operation = get("CaCertificate", "/ca.pem");

const fn get(name: &'static str, path: &'static str) -> Operation {
    Operation::open(name, Method::GET, path)
}

/// What the handlers of this door share.
pub(crate) struct State {
    /// The identities and the issuer.
    pub directory: Directory,
    /// The resources that tokens can be requested for.
    pub resources: TokenResources,
    /// The policy for unknown identities that requests of this machine name.
    pub unknown_identities: UnknownIdentities,
    /// The names this listener may be asked by.
    pub names: AllowedHosts,
    /// The value of `X-IDENTITY-HEADER` (App Service) and `Secret` (Service Fabric): random per start.
    pub identity_header: Zeroizing<String>,
    /// Where request ids come from.
    pub random: Arc<dyn Random>,
    /// The local CA's certificate.
    pub ca_pem: String,
    /// The directory where Azure Arc's clients look for keys.
    pub arc_keys: PathBuf,
}

/// The state, and what the door holds in memory besides.
struct Shared {
    state: State,
    arc_key: ArcKey,
}

type Handler = fn(Arc<Shared>, TokenRequest) -> BoxFuture<Response>;

/// The door: routes requests to handlers.
pub(crate) struct Door {
    shared: Arc<Shared>,
    routes: Routes<Handler>,
    over_tls: Routes<Handler>,
}

impl Door {
    /// A door over `state`.
    pub(crate) fn new(state: State) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&IMDS, |shared, request| Box::pin(imds::token(shared, request))),
            (&APP_SERVICE, |shared, request| Box::pin(app_service::token(shared, request))),
            (&ARC, |shared, request| Box::pin(arc::token(shared, request))),
            (&HEALTH, |shared, _| Box::pin(async move { health(&shared.state) })),
            (&CA, |shared, _| {
                let pem = shared.state.ca_pem.clone().into_bytes();
                Box::pin(async { body::with_type(StatusCode::OK, "application/x-pem-file", pem) })
            }),
        ]);
        let over_tls: Routes<Handler> =
            Routes::new(vec![(&FABRIC, |shared, request| Box::pin(fabric::token(shared, request)))]);
        let arc_key = ArcKey::new(state.arc_keys.clone());
        Self { shared: Arc::new(Shared { state, arc_key }), routes, over_tls }
    }

    /// Answers a request to the plain listener.
    pub(crate) async fn answer(&self, request: Request, connection: ConnectionInfo) -> Answered {
        self.answer_with(&self.routes, &request, connection).await
    }

    /// Answers a request over TLS if it has Service Fabric's form.
    pub(crate) async fn answer_over_tls(&self, request: &Request, connection: ConnectionInfo) -> Option<Answered> {
        // Every request to a vault passes here, so most are decided by their first segment.
        let path = request.uri().path();
        let is_fabric = routes::segments(path).next().is_some_and(|first| first.eq_ignore_ascii_case("fabric"));
        if !is_fabric || matches!(self.over_tls.find(request.method(), request.uri()), Lookup::NoSuchPath) {
            return None;
        }
        Some(self.answer_with(&self.over_tls, request, connection).await)
    }

    async fn answer_with(&self, routes: &Routes<Handler>, request: &Request, connection: ConnectionInfo) -> Answered {
        let mut trail = Trail::new("identity");
        if let Some(why) = self.shared.state.names.rejection(request, connection.local.ip()) {
            trail.asked = Authority::of(request).map(|authority| AskedFor::new(authority.host()));
            return trail.finish(refused(StatusCode::FORBIDDEN, "invalid_request", &why));
        }
        let answer = match routes.find(request.method(), request.uri()) {
            Lookup::Found(operation, handler, params) => {
                trail.route(operation, &params);
                trail.is_probe = std::ptr::eq(operation, &raw const HEALTH);
                let request = TokenRequest::new(request, connection);
                handler(self.shared.clone(), request).await
            }
            Lookup::NoSuchMethod => refused(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "Use GET."),
            Lookup::NoSuchPath => refused(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path."),
        };
        trail.finish(answer)
    }
}

impl State {
    /// Whether `given` is the identity header.
    fn is_identity_header(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.identity_header.as_bytes())
    }
}

#[derive(Serialize)]
struct Health {
    degraded: String,
}

/// Answers whether the server works. A read-only server is healthy, because a restart would not help it.
fn health(state: &State) -> Response {
    match (state.directory.issuer_failure(), state.directory.degraded()) {
        (None, None) => body::text(StatusCode::OK, "ok\n"),
        (None, Some(why)) => body::json(StatusCode::OK, &Health { degraded: why.to_string() }),
        (Some(_), _) => {
            body::text(StatusCode::SERVICE_UNAVAILABLE, "no tokens can be issued; the server's log says why\n")
        }
    }
}

#[derive(Serialize)]
struct TokenError<'a> {
    error: &'a str,
    error_description: &'a str,
}

fn bad_request(error: &'static str, description: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, error, description)
}

fn refused(status: StatusCode, error: &'static str, error_description: &str) -> Response {
    ErrorCode(error.into()).attach(body::json(status, &TokenError { error, error_description }))
}
