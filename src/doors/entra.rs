//! `login.localhost`: the documents that say who issues tokens and with which key. The token endpoints of Entra are
//! not here (managed identities get theirs from the identity door), so the documents do not name any.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use crate::directory::{Directory, PublicKey};
use crate::http::authority::Authority;
use crate::http::routes::{Lookup, Params, Routes};
use crate::http::{BoxFuture, Request, Response, body};
use crate::operation::{Operation, Permission};

/// The host name, exactly.
pub const HOST: &str = "login.localhost";

static CONFIGURATION_V1: Operation = open("OpenIdConfiguration", "/{tenant}/.well-known/openid-configuration");
static CONFIGURATION_V2: Operation = open("OpenIdConfigurationV2", "/{tenant}/v2.0/.well-known/openid-configuration");
static KEYS_V1: Operation = open("SigningKeys", "/{tenant}/discovery/keys");
static KEYS_V2: Operation = open("SigningKeysV2", "/{tenant}/discovery/v2.0/keys");

const fn open(name: &'static str, path: &'static str) -> Operation {
    Operation { name, method: Method::GET, path, permission: Permission::Open }
}

type Handler = fn(Arc<Directory>, Authority, Params) -> BoxFuture<Response>;

/// The door, open.
pub struct Open {
    directory: Arc<Directory>,
    routes: Routes<Handler>,
}

impl Open {
    /// The documents of `directory`.
    pub fn new(directory: Directory) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&CONFIGURATION_V1, |directory, host, params| Box::pin(configuration(directory, host, params, ""))),
            (&CONFIGURATION_V2, |directory, host, params| Box::pin(configuration(directory, host, params, "v2.0/"))),
            (&KEYS_V1, |directory, _, params| Box::pin(keys(directory, params))),
            (&KEYS_V2, |directory, _, params| Box::pin(keys(directory, params))),
        ]);
        Self { directory: Arc::new(directory), routes }
    }

    /// Answers a request that came in for `authority`.
    pub async fn answer(&self, request: Request, authority: Authority) -> Response {
        match self.routes.find(request.method(), request.uri().path()) {
            Lookup::Found(_, handler, params) => handler(self.directory.clone(), authority, params).await,
            Lookup::NoSuchMethod | Lookup::NoSuchPath => refused(
                StatusCode::NOT_FOUND,
                "invalid_request",
                format!("Keyhaven does not have {} {}.", request.method(), request.uri().path()),
            ),
        }
    }
}

#[derive(Serialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// The issuer is the one that tokens name; through version 2's path it is the host's own, because clients compare
/// its host with the one they asked.
async fn configuration(directory: Arc<Directory>, host: Authority, params: Params, v2: &'static str) -> Response {
    let Some(tenant) = tenant(&directory, &params) else { return no_such_tenant(&params) };
    let issuer = if v2.is_empty() { directory.issuer().to_owned() } else { format!("https://{host}/{tenant}/v2.0") };
    let document = Configuration {
        issuer,
        jwks_uri: format!("https://{host}/{tenant}/discovery/{v2}keys"),
        response_types_supported: ["token"],
        subject_types_supported: ["pairwise"],
        id_token_signing_alg_values_supported: ["RS256"],
    };
    body::json(StatusCode::OK, &document)
}

#[derive(Serialize)]
struct KeySet {
    keys: [Jwk; 1],
}

#[derive(Serialize)]
struct Jwk {
    kty: &'static str,
    r#use: &'static str,
    alg: &'static str,
    kid: String,
    x5t: String,
    n: String,
    e: String,
}

async fn keys(directory: Arc<Directory>, params: Params) -> Response {
    if tenant(&directory, &params).is_none() {
        return no_such_tenant(&params);
    }
    match directory.public_key().await {
        Ok(PublicKey { kid, n, e }) => {
            let key = Jwk { kty: "RSA", r#use: "sig", alg: "RS256", x5t: kid.clone(), kid, n, e };
            body::json(StatusCode::OK, &KeySet { keys: [key] })
        }
        Err(error) => {
            tracing::error!(%error, "the signing keys could not be shown");
            let text = "AADSTS90033: A transient error has occurred. Please try again.".to_owned();
            refused(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", text)
        }
    }
}

fn tenant(directory: &Directory, params: &Params) -> Option<Uuid> {
    Uuid::parse_str(params.get("tenant")).ok().filter(|asked| *asked == directory.tenant())
}

fn no_such_tenant(params: &Params) -> Response {
    let text = format!("AADSTS90002: Tenant '{}' not found.", params.get("tenant"));
    refused(StatusCode::BAD_REQUEST, "invalid_tenant", text)
}

#[derive(Serialize)]
struct EntraError {
    error: &'static str,
    error_description: String,
}

fn refused(status: StatusCode, error: &'static str, error_description: String) -> Response {
    body::json(status, &EntraError { error, error_description })
}
