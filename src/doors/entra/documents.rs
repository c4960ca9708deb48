//! The issuer's documents: OpenID configuration, instance discovery, signing keys.

use std::sync::Arc;

use serde::Serialize;

use super::refusal::Refusal;
use super::tenant::{self, AuthorityKind};
use super::{CLOUDS, RequestContext, State, json};
use crate::directory::PublicKey;
use crate::http::{Request, Response};

#[derive(Serialize)]
struct Configuration {
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 3],
    jwks_uri: String,
    response_modes_supported: [&'static str; 3],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
    response_types_supported: [&'static str; 2],
    scopes_supported: [&'static str; 4],
    issuer: String,
    request_uri_parameter_supported: bool,
    /// Clients demand it; requests there are refused, because there is no interactive sign-in.
    authorization_endpoint: String,
    /// msal-common 4.5, which msal-node 1.0 is built on, takes a document without it for none (`isOpenIdConfigResponse`).
    end_session_endpoint: String,
    claims_supported: [&'static str; 8],
    tenant_region_scope: Option<&'static str>,
    cloud_instance_name: &'static str,
    cloud_graph_host_name: &'static str,
    msgraph_host: &'static str,
    rbac_url: &'static str,
}

/// The OpenID configuration; `version` is `v2.0/`, or empty for version 1. The issuer of version 1 is that of the tokens; that
/// of version 2 is on the requested host, because clients compare the two.
pub(super) fn configuration(state: &State, context: &RequestContext, version: &str) -> Result<Response, Refusal> {
    let kind = tenant::resolve(state, context)?;
    let base = format!("https://{}/{}", context.authority, context.tenant);
    let issuer = match (kind, version) {
        (AuthorityKind::Adfs, _) => base.clone(),
        (AuthorityKind::Entra, "") => state.directory.issuer().to_owned(),
        (AuthorityKind::Entra, _) => format!("https://{}/{}/v2.0", context.authority, state.directory.tenant_id()),
    };
    Ok(json(&Configuration {
        token_endpoint: format!("{base}/oauth2/{version}token"),
        token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        jwks_uri: format!("{base}/discovery/{version}keys"),
        response_modes_supported: ["query", "fragment", "form_post"],
        subject_types_supported: ["pairwise"],
        id_token_signing_alg_values_supported: ["RS256"],
        response_types_supported: ["code", "token"],
        scopes_supported: ["openid", "profile", "email", "offline_access"],
        issuer,
        request_uri_parameter_supported: false,
        authorization_endpoint: format!("{base}/oauth2/{version}authorize"),
        end_session_endpoint: format!("{base}/oauth2/{version}logout"),
        claims_supported: ["sub", "iss", "aud", "exp", "iat", "nbf", "oid", "tid"],
        tenant_region_scope: None,
        cloud_instance_name: "microsoftonline.com",
        cloud_graph_host_name: "graph.windows.net",
        msgraph_host: "graph.microsoft.com",
        rbac_url: "https://pas.windows.net",
    }))
}

#[derive(Serialize)]
struct Instances {
    tenant_discovery_endpoint: String,
    #[serde(rename = "api-version")]
    api_version: &'static str,
    metadata: Vec<Instance>,
}

#[derive(Serialize)]
struct Instance {
    preferred_network: &'static str,
    preferred_cache: &'static str,
    aliases: &'static [&'static str],
}

/// Instance discovery: the hosts of each cloud. Every authority is accepted, because a program that configures one could not
/// be made to trust it otherwise.
pub(super) fn instances(context: &RequestContext, request: &Request) -> Response {
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let wanted = query.into_iter().find(|(name, _)| name == "authorization_endpoint").map(|(_, value)| value);
    let own = format!("https://{}/{}/oauth2/v2.0/authorize", context.authority, context.tenant);
    let metadata = CLOUDS.into_iter().map(|aliases| Instance {
        preferred_network: aliases[0],
        preferred_cache: aliases.get(1).unwrap_or(&aliases[0]),
        aliases,
    });
    json(&Instances {
        tenant_discovery_endpoint: configuration_url(wanted.as_deref().unwrap_or(&own)),
        api_version: "1.1",
        metadata: metadata.collect(),
    })
}

/// The URL of the OpenID configuration that belongs to an authorization endpoint.
fn configuration_url(authorization_endpoint: &str) -> String {
    const DOCUMENT: &str = ".well-known/openid-configuration";
    let endpoint = authorization_endpoint.trim_end_matches('/');
    match (endpoint.strip_suffix("/oauth2/v2.0/authorize"), endpoint.strip_suffix("/oauth2/authorize")) {
        (Some(tenant), _) => format!("{tenant}/v2.0/{DOCUMENT}"),
        (None, Some(tenant)) => format!("{tenant}/{DOCUMENT}"),
        (None, None) => format!("{endpoint}/{DOCUMENT}"),
    }
}

#[derive(Serialize)]
struct KeySet {
    keys: Vec<Jwk>,
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

/// The keys that verify tokens: the current one first, then previous ones.
pub(super) async fn keys(state: Arc<State>, context: RequestContext) -> Result<Response, Refusal> {
    tenant::resolve(&state, &context)?;
    let keys = state.directory.public_keys().await.map_err(|error| Refusal::failed(&error))?;
    let jwk = |PublicKey { kid, n, e }| Jwk { kty: "RSA", r#use: "sig", alg: "RS256", x5t: kid.clone(), kid, n, e };
    Ok(json(&KeySet { keys: keys.into_iter().map(jwk).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_lies_beside_its_authorization_endpoint() {
        let beside = configuration_url;
        let (v1, v2) =
            ("https://a/t/.well-known/openid-configuration", "https://a/t/v2.0/.well-known/openid-configuration");
        assert_eq!(beside("https://a/t/oauth2/v2.0/authorize"), v2);
        assert_eq!(beside("https://a/t/oauth2/authorize"), v1);
        assert_eq!(beside("https://a/t/"), v1);
    }
}
