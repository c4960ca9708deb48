//! The documents that say who issues tokens, with which keys, and where they are to be had.

use std::sync::Arc;

use serde::Serialize;

use super::refusal::Refusal;
use super::tenant::{self, Form};
use super::{Asked, CLOUDS, State, json};
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
    /// Clients demand it; what is asked there is answered that nobody signs in by hand.
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

/// The OpenID configuration, in the versions `v2.0/` and that without a name. The issuer of version 1 is the one that
/// tokens name; that of version 2 is on the host that was asked, because clients compare the two.
pub(super) fn configuration(state: &State, asked: &Asked, version: &str) -> Result<Response, Refusal> {
    let form = tenant::form(state, asked)?;
    let base = format!("https://{}/{}", asked.authority, asked.tenant);
    let issuer = match (form, version) {
        (Form::Adfs, _) => base.clone(),
        (Form::Tenant, "") => state.directory.issuer().to_owned(),
        (Form::Tenant, _) => format!("https://{}/{}/v2.0", asked.authority, state.directory.tenant_id()),
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

/// Which hosts are one cloud. Any authority is a good one: who asks could not be told otherwise without changing its
/// program.
pub(super) fn instances(asked: &Asked, request: &Request) -> Response {
    let query = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let wanted = query.into_iter().find(|(name, _)| name == "authorization_endpoint").map(|(_, value)| value);
    let own = format!("https://{}/{}/oauth2/v2.0/authorize", asked.authority, asked.tenant);
    let metadata = CLOUDS.into_iter().map(|aliases| Instance {
        preferred_network: aliases[0],
        preferred_cache: aliases.get(1).unwrap_or(&aliases[0]),
        aliases,
    });
    json(&Instances {
        tenant_discovery_endpoint: configuration_beside(wanted.as_deref().unwrap_or(&own)),
        api_version: "1.1",
        metadata: metadata.collect(),
    })
}

/// The address of the configuration of the tenant that an authorization endpoint is of.
fn configuration_beside(authorization_endpoint: &str) -> String {
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

/// The keys that check tokens: the one that signs, and those before it.
pub(super) async fn keys(state: Arc<State>, asked: Asked) -> Result<Response, Refusal> {
    tenant::form(&state, &asked)?;
    let keys = state.directory.public_keys().await.map_err(|error| Refusal::failed(&error))?;
    let jwk = |PublicKey { kid, n, e }| Jwk { kty: "RSA", r#use: "sig", alg: "RS256", x5t: kid.clone(), kid, n, e };
    Ok(json(&KeySet { keys: keys.into_iter().map(jwk).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_lies_beside_its_authorization_endpoint() {
        let beside = configuration_beside;
        let (v1, v2) =
            ("https://a/t/.well-known/openid-configuration", "https://a/t/v2.0/.well-known/openid-configuration");
        assert_eq!(beside("https://a/t/oauth2/v2.0/authorize"), v2);
        assert_eq!(beside("https://a/t/oauth2/authorize"), v1);
        assert_eq!(beside("https://a/t/"), v1);
    }
}
