//! Tokens for managed identities, as the metadata service (IMDS) and as App Service give them; besides `/health` and
//! `/ca.pem`. Clients retry 404, 410, 429 and 5xx for a minute, so "no" is always a 400.

use std::sync::Arc;

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde::Serialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::directory::{Chosen, Directory, Issued};
use crate::http::local::LocalNames;
use crate::http::routes::{Lookup, Routes};
use crate::http::{Arrival, BoxFuture, Request, Response, body};
use crate::operation::{Operation, Permission};

/// The path of `IDENTITY_ENDPOINT`, App Service's form.
pub const APP_SERVICE_PATH: &str = "/msi/token";

static IMDS: Operation = open("ManagedIdentityToken", "/metadata/identity/oauth2/token");
static APP_SERVICE: Operation = open("AppServiceToken", APP_SERVICE_PATH);
static HEALTH: Operation = open("Health", "/health");
static CA: Operation = open("CaCertificate", "/ca.pem");

const fn open(name: &'static str, path: &'static str) -> Operation {
    Operation { name, method: Method::GET, path, permission: Permission::Open }
}

/// What the handlers of this door share.
pub struct IdentityDoor {
    /// Who there is, and who signs.
    pub directory: Directory,
    /// The names this listener may be asked by.
    pub names: LocalNames,
    /// What App Service's form must send as `X-IDENTITY-HEADER`: random per start.
    pub identity_header: Zeroizing<String>,
    /// The local CA's certificate.
    pub ca_pem: String,
}

type Handler = fn(Arc<IdentityDoor>, Asked) -> BoxFuture<Response>;

/// The door, open.
pub struct Open {
    door: Arc<IdentityDoor>,
    routes: Routes<Handler>,
}

impl Open {
    /// Opens `door`.
    pub fn new(door: IdentityDoor) -> Self {
        let routes: Routes<Handler> = Routes::new(vec![
            (&IMDS, |door, asked| Box::pin(imds(door, asked))),
            (&APP_SERVICE, |door, asked| Box::pin(app_service(door, asked))),
            (&HEALTH, |door, _| Box::pin(async move { health(&door) })),
            (&CA, |door, _| {
                let pem = door.ca_pem.clone().into_bytes();
                Box::pin(async { body::with_type(StatusCode::OK, "application/x-pem-file", pem) })
            }),
        ]);
        Self { door: Arc::new(door), routes }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request, arrival: Arrival) -> Response {
        if let Some(why) = self.door.names.refusal(&request, arrival.local.ip()) {
            return refused(StatusCode::FORBIDDEN, "invalid_request", why);
        }
        let path = merged(request.uri().path());
        match self.routes.find(request.method(), &path) {
            Lookup::Found(_, handler, _) => handler(self.door.clone(), Asked::of(&request)).await,
            Lookup::NoSuchMethod => refused(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "Use GET."),
            Lookup::NoSuchPath => refused(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path."),
        }
    }
}

/// The path with slashes in a row merged: msal4j asks `//metadata/…`, the JavaScript SDK ends it with one.
fn merged(path: &str) -> String {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("/{}", segments.join("/"))
}

/// Whether the server can do what it is for.
fn health(door: &IdentityDoor) -> Response {
    match door.directory.issuer_failure() {
        None => body::text(StatusCode::OK, "ok\n"),
        Some(_) => body::text(StatusCode::SERVICE_UNAVAILABLE, "no tokens can be issued; the server's log says why\n"),
    }
}

/// What a token request says.
struct Asked {
    headers: HeaderMap,
    query: Vec<(String, String)>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        Self { headers: request.headers().clone(), query: query.into_owned().collect() }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The identity asked for; the names differ between clients.
    fn chosen(&self) -> Result<Chosen, &'static str> {
        let client = self.value("client_id").map(|id| Chosen::ClientId(id.to_owned()));
        let object = self.value("object_id").or(self.value("principal_id")).map(|id| Chosen::ObjectId(id.to_owned()));
        let resource = self.value("msi_res_id").or(self.value("mi_res_id"));
        let resource = resource.map(|id| Chosen::ResourceId(id.to_owned()));
        let mut given = [client, object, resource].into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(Chosen::Default),
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => Err("Only one of client_id, object_id and msi_res_id may be given"),
        }
    }
}

async fn imds(door: Arc<IdentityDoor>, asked: Asked) -> Response {
    if !asked.header("metadata").eq_ignore_ascii_case("true") {
        return bad("bad_request_102", "Required metadata header not specified");
    }
    token(&door, &asked).await
}

async fn app_service(door: Arc<IdentityDoor>, asked: Asked) -> Response {
    let given = asked.header("x-identity-header").as_bytes();
    if aws_lc_rs::constant_time::verify_slices_are_equal(given, door.identity_header.as_bytes()).is_err() {
        let why = "The X-IDENTITY-HEADER is missing or is not the value of IDENTITY_HEADER";
        return refused(StatusCode::UNAUTHORIZED, "unauthorized", why);
    }
    token(&door, &asked).await
}

async fn token(door: &IdentityDoor, asked: &Asked) -> Response {
    if asked.value("api-version").is_none() {
        return bad("invalid_request", "Required query variable 'api-version' is missing");
    }
    let Some(resource) = asked.value("resource") else {
        return bad("invalid_request", "Required query variable 'resource' is missing");
    };
    if !is_resource(resource) {
        let text = format!(
            "AADSTS500011: The resource principal named {resource} was not found in the tenant named {}.",
            door.directory.tenant()
        );
        return bad("invalid_resource", &text);
    }
    let chosen = match asked.chosen() {
        Ok(chosen) => chosen,
        Err(why) => return bad("invalid_request", why),
    };
    issue(&door.directory, &chosen, resource).await
}

async fn issue(directory: &Directory, chosen: &Chosen, resource: &str) -> Response {
    let identity = match directory.choose(chosen).await {
        Ok(Some(identity)) => identity,
        Ok(None) => return bad("invalid_request", "Identity not found"),
        Err(error) => return failed(&error),
    };
    match directory.issue(&identity, resource).await {
        Ok(issued) => granted(&issued, resource),
        Err(error) => failed(&error),
    }
}

/// A URI or an application id, without blanks.
fn is_resource(text: &str) -> bool {
    let uri = text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    plain && (uri || Uuid::parse_str(text).is_ok())
}

/// Every value is a string: some clients accept nothing else.
#[derive(Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    client_id: String,
    expires_in: String,
    expires_on: String,
    ext_expires_in: String,
    not_before: String,
    resource: &'a str,
    token_type: &'static str,
}

fn granted(issued: &Issued, resource: &str) -> Response {
    let granted = Granted {
        access_token: &issued.access_token,
        client_id: issued.client_id.to_string(),
        expires_in: issued.expires_in.to_string(),
        expires_on: issued.expires_on.to_string(),
        ext_expires_in: issued.expires_in.to_string(),
        not_before: issued.not_before.to_string(),
        resource,
        token_type: "Bearer",
    };
    body::json(StatusCode::OK, &granted)
}

#[derive(Serialize)]
struct TokenError<'a> {
    error: &'a str,
    error_description: &'a str,
}

fn bad(error: &str, description: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, error, description)
}

fn refused(status: StatusCode, error: &str, error_description: &str) -> Response {
    body::json(status, &TokenError { error, error_description })
}

fn failed(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a token could not be issued");
    refused(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The server's log says what went wrong")
}
