//! The token endpoint: the client credentials grant (RFC 6749, section 4.4), in version 2 and in version 1.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::{RequestContext, State, json, tenant};
use crate::directory::{
    ClientAuthentication, ClientCredential, IssuedToken, IssuerError, SignInRequest, UnknownIdentities,
    application_disabled,
};
use crate::http::body::{self, BodyError};
use crate::http::{Request, Response};
use crate::trail::TokenGrant;

/// The one kind of assertion (RFC 7523).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The suffix of a scope that requests all permissions of an application.
const DEFAULT_SCOPE: &str = "/.default";

/// The token response of version 2, in which numbers are numbers.
#[derive(Serialize)]
struct TokenBodyV2<'a> {
    token_type: &'static str,
    expires_in: i64,
    ext_expires_in: i64,
    access_token: &'a str,
}

/// The token response of version 1, in which numbers are strings.
#[derive(Serialize)]
struct TokenBodyV1<'a> {
    token_type: &'static str,
    expires_in: String,
    ext_expires_in: String,
    expires_on: String,
    not_before: String,
    resource: &'a str,
    access_token: &'a str,
}

/// `POST /{tenant}/oauth2/v2.0/token`: a `scope` names the resource.
pub(super) async fn v2(state: Arc<State>, context: RequestContext, request: Request) -> Result<Response, Refusal> {
    let form = Form::read(&state, request).await?;
    let (issued, grant) = issue_token(&state, &context, &form, Form::resource_of_scope).await?;
    let IssuedToken { expires_in, access_token, .. } = issued;
    let ext_expires_in = expires_in;
    let answer = json(&TokenBodyV2 { token_type: "Bearer", expires_in, ext_expires_in, access_token: &access_token });
    Ok(grant.attach(answer))
}

/// `POST /{tenant}/oauth2/token`: a `resource` names the resource; clients of AD FS send a `scope`.
pub(super) async fn v1(state: Arc<State>, context: RequestContext, request: Request) -> Result<Response, Refusal> {
    let form = Form::read(&state, request).await?;
    let (issued, grant) = issue_token(&state, &context, &form, Form::resource).await?;
    let answer = json(&TokenBodyV1 {
        token_type: "Bearer",
        expires_in: issued.expires_in.to_string(),
        ext_expires_in: issued.expires_in.to_string(),
        expires_on: issued.expires_on.to_string(),
        not_before: issued.not_before.to_string(),
        resource: &grant.resource,
        access_token: &issued.access_token,
    });
    Ok(grant.attach(answer))
}

async fn issue_token(
    state: &State,
    context: &RequestContext,
    form: &Form,
    resource: fn(&Form) -> Result<String, Refusal>,
) -> Result<(IssuedToken, TokenGrant), Refusal> {
    tenant::resolve(state, context)?;
    form.check_grant_type()?;
    form.check_claims()?;
    let client_id = form.required("client_id")?;
    let resource = resource(form)?;
    if !state.resources.contains(&resource) {
        return Err(Refusal::NoSuchResource { resource, tenant: state.directory.tenant_id() });
    }
    let credential = form.credential()?;
    let unknown_identities = if context.is_local { state.unknown_identities } else { UnknownIdentities::Reject };
    let audiences = audiences(state, context);
    let sign_in = SignInRequest {
        client_id,
        credential: &credential,
        audiences: &audiences,
        unknown_identities,
        is_local: context.is_local,
    };
    let identity = state.directory.sign_in(&sign_in, &*state.issuers).await;
    let identity = identity.map_err(|why| Refusal::SignIn { why, client_id: client_id.to_owned() })?;
    let by = match credential {
        ClientCredential::Secret(_) => ClientAuthentication::Secret,
        ClientCredential::Assertion(_) => ClientAuthentication::Assertion,
    };
    let issued = state.directory.issue(&identity, &resource, by).await.map_err(|error| match error {
        IssuerError::Disabled(_) => Refusal::Disabled(application_disabled(&identity)),
        error => Refusal::failed(&error),
    })?;
    Ok((issued, TokenGrant { identity, resource }))
}

/// The audiences of a self-signed assertion: endpoints and issuers of the tenant on the requested host, by the tenant's
/// requested name or its id.
fn audiences(state: &State, context: &RequestContext) -> Vec<String> {
    let id = state.directory.tenant_id().to_string();
    let base = |tenant: &str| format!("https://{}/{tenant}", context.authority);
    let of = |base: String| ["", "/v2.0", "/oauth2/token", "/oauth2/v2.0/token"].map(|path| format!("{base}{path}"));
    [base(&context.tenant), base(&id)].into_iter().flat_map(of).collect()
}

/// The posted form, with the client's credentials, which may come in a header.
struct Form {
    members: Vec<(String, Zeroizing<String>)>,
}

impl Form {
    async fn read(state: &State, request: Request) -> Result<Self, Refusal> {
        let (head, incoming) = request.into_parts();
        let bytes = body::read(incoming, &state.limits).await.map_err(|error| match error {
            BodyError::TooLarge => Refusal::TooLarge,
            BodyError::Busy => Refusal::Busy,
            BodyError::TooSlow | BodyError::Broken => Refusal::Malformed("the body did not arrive whole"),
        })?;
        let pairs = form_urlencoded::parse(&bytes).into_owned();
        let mut members: Vec<_> = pairs.map(|(name, value)| (name, Zeroizing::new(value))).collect();
        members.extend(basic(&head.headers).into_iter().flatten());
        Ok(Self { members })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.members.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    fn required(&self, name: &'static str) -> Result<&str, Refusal> {
        self.parameter(name).ok_or(Refusal::MissingParameter(name))
    }

    fn check_grant_type(&self) -> Result<(), Refusal> {
        match self.required("grant_type")? {
            "client_credentials" => Ok(()),
            other => Err(Refusal::UnsupportedGrant(other.to_owned())),
        }
    }

    /// Checks that the claims of a challenge, with which clients ask for a new token, are a JSON object. Every token is new, so
    /// it has them.
    fn check_claims(&self) -> Result<(), Refusal> {
        match self.parameter("claims").map(serde_json::from_str::<serde_json::Map<_, serde_json::Value>>) {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(_)) => Err(Refusal::Malformed("claims is no JSON object")),
        }
    }

    /// The resource whose `/.default` is requested. Java requests `openid` and others besides.
    fn resource_of_scope(&self) -> Result<String, Refusal> {
        let scope = self.required("scope")?;
        let resource = scope.split_whitespace().find_map(|one| one.strip_suffix(DEFAULT_SCOPE));
        resource.map(str::to_owned).ok_or_else(|| Refusal::NotDefaultScope(scope.to_owned()))
    }

    fn resource(&self) -> Result<String, Refusal> {
        match (self.parameter("resource"), self.parameter("scope")) {
            (Some(resource), _) => Ok(resource.to_owned()),
            (None, Some(_)) => self.resource_of_scope(),
            (None, None) => Err(Refusal::MissingParameter("resource")),
        }
    }

    fn credential(&self) -> Result<ClientCredential, Refusal> {
        let owned = |text: &str| Zeroizing::new(text.to_owned());
        match (self.parameter("client_assertion"), self.parameter("client_secret")) {
            (Some(assertion), None) => match self.required("client_assertion_type")? {
                ASSERTION_TYPE => Ok(ClientCredential::Assertion(owned(assertion))),
                _ => Err(Refusal::Malformed("client_assertion_type is not the one for JWTs")),
            },
            (None, Some(secret)) => Ok(ClientCredential::Secret(owned(secret))),
            (Some(_), Some(_)) => Err(Refusal::Malformed("client_secret and client_assertion do not go together")),
            (None, None) => Err(Refusal::NoCredentials),
        }
    }
}

/// The id and secret of `Authorization: Basic` (RFC 6749, section 2.3.1), each form-encoded.
fn basic(headers: &HeaderMap) -> Option<[(String, Zeroizing<String>); 2]> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().map(Zeroizing::new)?;
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let plain =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().map(|text| text.into_owned()).ok();
    let (id, secret) = (Zeroizing::new(plain(id)?), Zeroizing::new(plain(secret)?));
    Some([("client_id".to_owned(), id), ("client_secret".to_owned(), secret)])
}
