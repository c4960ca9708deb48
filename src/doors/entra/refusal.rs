//! OAuth errors in Entra's form, each with the code, status and text that Entra documents. Texts hold no line ends and no
//! quotation marks: azure_identity for Rust drops a text with a JSON escape.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::directory::{SignInRefusal, no_such_resource};
use crate::http::error::ErrorCode;
use crate::http::{Response, body};
use crate::trail::AskedFor;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// No endpoint has this method and path.
    NoSuchEndpoint(String),
    /// The id or name is of another tenant.
    NoSuchTenant(String),
    /// A parameter is missing from the form.
    MissingParameter(&'static str),
    /// The request is malformed, for this reason.
    Malformed(&'static str),
    /// The body is larger than the limit.
    TooLarge,
    /// All memory for bodies is in use; the client may retry.
    Busy,
    /// The grant type is not client credentials.
    UnsupportedGrant(String),
    /// The scope is not the `/.default` of a resource.
    NotDefaultScope(String),
    /// No principal exists for the resource.
    NoSuchResource {
        /// The requested resource.
        resource: String,
        /// The tenant.
        tenant: Uuid,
    },
    /// The request has neither a secret nor an assertion.
    NoCredentials,
    /// The application is not authenticated.
    SignIn {
        /// Why.
        why: SignInRefusal,
        /// The application id of the request.
        client_id: String,
    },
    /// The application is disabled, in this sentence.
    Disabled(String),
    /// The server failed; the cause is in the log.
    Failed,
}

/// Status, OAuth error, AADSTS code and text of an error.
struct ErrorText(StatusCode, &'static str, u32, String);

#[derive(Serialize)]
struct EntraError {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: Uuid,
    correlation_id: Uuid,
    error_uri: String,
}

impl Refusal {
    /// An internal failure; `error` goes to the log.
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request to the token endpoint failed");
        Self::Failed
    }

    /// The response.
    pub(super) fn answer(self, trace_id: Uuid, correlation_id: Uuid, now: Timestamp) -> Response {
        let asked = self.asked_for();
        let ErrorText(status, error, code, text) = self.text();
        let timestamp = now.to_string().replace('T', " ");
        let text = text.replace(['\r', '\n', '"', '\\'], " ");
        let error_description = format!(
            "AADSTS{code}: {text} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {timestamp}"
        );
        let error_uri = format!("https://login.microsoftonline.com/error?code={code}");
        let error_codes = [code];
        let error =
            EntraError { error, error_description, error_codes, timestamp, trace_id, correlation_id, error_uri };
        let mut answer = ErrorCode(format!("AADSTS{code}").into()).attach(body::json(status, &error));
        if status == StatusCode::TOO_MANY_REQUESTS {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        match asked {
            Some(asked) => asked.attach(answer),
            None => answer,
        }
    }

    /// The application that could not sign in.
    fn asked_for(&self) -> Option<AskedFor> {
        match self {
            Self::SignIn { client_id, .. } => Some(AskedFor::new(client_id)),
            _ => None,
        }
    }

    fn text(self) -> ErrorText {
        let bad = |error, code, text: String| ErrorText(StatusCode::BAD_REQUEST, error, code, text);
        match self {
            Self::NoSuchEndpoint(what) => ErrorText(
                StatusCode::NOT_FOUND,
                "invalid_request",
                90_001,
                format!("Keyhaven does not have {what}; applications sign in here, people do not."),
            ),
            Self::NoSuchTenant(tenant) => bad(
                "invalid_tenant",
                90_002,
                format!(
                    "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into \
                     the correct cloud. Check with your subscription administrator, this may happen if there are no \
                     active subscriptions for the tenant."
                ),
            ),
            Self::MissingParameter(name) => bad(
                "invalid_request",
                900_144,
                format!("The request body must contain the following parameter: '{name}'."),
            ),
            Self::Malformed(why) => {
                bad("invalid_request", 9_002_313, format!("Invalid request. Request is malformed or invalid: {why}."))
            }
            Self::TooLarge => ErrorText(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request",
                9_002_313,
                "Invalid request. Request is malformed or invalid: the body is too large.".to_owned(),
            ),
            // Entra's code for throttling, and its text.
            Self::Busy => ErrorText(
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                90_055,
                "There are too many incoming requests.".to_owned(),
            ),
            Self::UnsupportedGrant(grant) => {
                bad("unsupported_grant_type", 70_003, format!("The app requested an unsupported grant type '{grant}'."))
            }
            Self::NotDefaultScope(scope) => bad(
                "invalid_scope",
                1_002_012,
                format!(
                    "The provided value for scope {scope} is not valid. Client credential flows must have a scope value \
                     with /.default suffixed to the resource identifier (application ID URI)."
                ),
            ),
            Self::NoSuchResource { resource, tenant } => {
                bad("invalid_resource", 500_011, no_such_resource(&resource, tenant))
            }
            Self::NoCredentials => ErrorText(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                7_000_216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
                    .to_owned(),
            ),
            Self::SignIn { why, client_id } => sign_in(why, &client_id),
            Self::Disabled(text) => bad("unauthorized_client", 7_000_112, text),
            Self::Failed => transient(),
        }
    }
}

fn transient() -> ErrorText {
    let text = "A transient error has occurred. Please try again.".to_owned();
    ErrorText(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90_033, text)
}

fn sign_in(why: SignInRefusal, client_id: &str) -> ErrorText {
    let unproven = |code, text: String| ErrorText(StatusCode::UNAUTHORIZED, "invalid_client", code, text);
    match why {
        SignInRefusal::NoSuchApplication => ErrorText(
            StatusCode::BAD_REQUEST,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client_id}' was not found in the directory 'Keyhaven'. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user in the \
                 tenant. You may have sent your authentication request to the wrong tenant."
            ),
        ),
        SignInRefusal::WrongSecret => unproven(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{client_id}'."
            ),
        ),
        SignInRefusal::WellKnownSecretFromElsewhere => unproven(
            7_000_215,
            "Invalid client secret provided. The built-in secret of Keyhaven is known to everybody and good on its own \
             machine alone: configure an identity with a clientSecret of its own."
                .to_owned(),
        ),
        SignInRefusal::Malformed => unproven(
            50_027,
            "JWT token is invalid or malformed. The client assertion must be a signed JWT with iss, sub, aud and exp."
                .to_owned(),
        ),
        SignInRefusal::SubjectMismatch(subject) => unproven(
            700_021,
            format!(
                "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation \
                 about client assertions; the subject is '{subject}', the client '{client_id}'."
            ),
        ),
        SignInRefusal::WrongAudience(audience) => unproven(
            700_023,
            format!("Client assertion audience claim does not match Realm issuer. The audience is '{audience}'."),
        ),
        SignInRefusal::OutsideValidity => {
            unproven(700_024, "Client assertion is not within its valid time range.".to_owned())
        }
        SignInRefusal::UnknownCertificate(thumbprint) => unproven(
            700_027,
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. \
                 Key thumbprint: '{thumbprint}', application '{client_id}'."
            ),
        ),
        SignInRefusal::BadSignature => {
            unproven(700_027, format!("Client assertion failed signature validation, application '{client_id}'."))
        }
        SignInRefusal::NoFederatedCredential { issuer, subject } => unproven(
            700_213,
            format!(
                "No matching federated identity record found for presented assertion subject '{subject}' and issuer \
                 '{issuer}'. Check your federated identity credential Subject, Audience and Issuer against the presented \
                 assertion."
            ),
        ),
        SignInRefusal::IssuerUnreachable { issuer, why } => {
            tracing::warn!(issuer, why, "the keys of an issuer could not be fetched");
            unproven(50_166, format!("Request to External OIDC endpoint failed: {issuer}: {why}."))
        }
        SignInRefusal::Record(error) => {
            tracing::error!(%error, "a sign-in could not be checked");
            transient()
        }
    }
}
