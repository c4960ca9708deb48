//! The credentials that a client signs in with.

use std::fmt;

use zeroize::Zeroizing;

use super::managed_identity::ManagedIdentity;
use super::token_source::TokenSource;

/// A credential of an application or of a managed identity. `Debug` shows no secret.
#[derive(Clone)]
pub enum Credential {
    /// An application with its secret (`client_credentials`, RFC 6749 section 4.4).
    ClientSecret {
        /// The application's client id.
        client_id: String,
        /// Its secret.
        secret: Zeroizing<String>,
        /// The authority host to sign in at, such as `https://login.microsoftonline.com`; by default the one of the vault's
        /// challenge.
        authority: Option<String>,
    },
    /// A managed identity of App Service: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    AppService {
        /// The endpoint's URL.
        endpoint: String,
        /// The value of `X-IDENTITY-HEADER`.
        header: Zeroizing<String>,
        /// The identity to use.
        identity: ManagedIdentity,
    },
    /// A managed identity of the instance metadata service (IMDS).
    Imds {
        /// The base URL of the service, `http://169.254.169.254` by default.
        host: String,
        /// The identity to use.
        identity: ManagedIdentity,
    },
    /// A bearer token from elsewhere. It is not renewed when it expires.
    Bearer(Zeroizing<String>),
    /// A managed identity whose tokens are issued within the process.
    Issued(TokenSource),
}

impl Credential {
    /// A client secret, used at the authority of the vault's challenge.
    pub fn client_secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        let secret = Zeroizing::new(secret.into());
        Self::ClientSecret { client_id: client_id.into(), secret, authority: None }
    }

    /// A bearer token from elsewhere.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer(Zeroizing::new(token.into()))
    }

    /// The credential of the environment, in the order of DefaultAzureCredential: an application (`AZURE_TENANT_ID`,
    /// `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, signing in at `AZURE_AUTHORITY_HOST`), App Service's identity
    /// (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), the metadata service (`AZURE_POD_IDENTITY_AUTHORITY_HOST`). A managed
    /// identity is the one of `AZURE_CLIENT_ID`, if that is set.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// The credential of the variables that `variable` returns, like [`Credential::from_env`].
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let client_id = set("AZURE_CLIENT_ID");
        if let (Some(_), Some(client_id), Some(secret)) =
            (set("AZURE_TENANT_ID"), client_id.clone(), set("AZURE_CLIENT_SECRET"))
        {
            return Self::ClientSecret {
                client_id,
                secret: Zeroizing::new(secret),
                authority: set("AZURE_AUTHORITY_HOST"),
            };
        }
        let identity = client_id.map_or(ManagedIdentity::SystemAssigned, ManagedIdentity::ClientId);
        if let (Some(endpoint), Some(header)) = (set("IDENTITY_ENDPOINT"), set("IDENTITY_HEADER")) {
            return Self::AppService { endpoint, header: Zeroizing::new(header), identity };
        }
        let host = set("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| "http://169.254.169.254".to_owned());
        Self::Imds { host, identity }
    }

    /// Selects the user-assigned identity `id` (a resource id or a client id). An application or a token is returned
    /// unchanged.
    #[must_use]
    pub fn as_user_assigned(self, id: &str) -> Self {
        let selected = if id.starts_with('/') {
            ManagedIdentity::ResourceId(id.to_owned())
        } else {
            ManagedIdentity::ClientId(id.to_owned())
        };
        match self {
            Self::AppService { endpoint, header, .. } => Self::AppService { endpoint, header, identity: selected },
            Self::Imds { host, .. } => Self::Imds { host, identity: selected },
            Self::Issued(source) => Self::Issued(source.of(selected)),
            other => other,
        }
    }
}

impl fmt::Debug for Credential {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientSecret { client_id, authority, .. } => write!(f, "Secret({client_id}, {authority:?})"),
            Self::AppService { endpoint, identity, .. } => write!(f, "AppService({endpoint}, {identity:?})"),
            Self::Imds { host, identity } => write!(f, "Imds({host}, {identity:?})"),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::Issued(source) => write!(f, "Issued({source:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        format!("{:?}", Credential::from_variables(find))
    }

    #[test]
    fn the_environment_is_read_in_the_order_of_the_official_clients() {
        let application = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "hush")];
        let app_service = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x"), ("IDENTITY_HEADER", "hush")];
        assert_eq!(of(&[application.as_slice(), &app_service].concat()), "Secret(c, None)");
        assert_eq!(
            of(&[&application[..2], &app_service].concat()),
            r#"AppService(http://127.0.0.1:1/x, ClientId("c"))"#
        );
        assert_eq!(of(&[application.as_slice(), &[("AZURE_CLIENT_SECRET", "")]].concat()), "Secret(c, None)");
        assert_eq!(of(&app_service), "AppService(http://127.0.0.1:1/x, SystemAssigned)");
        assert_eq!(of(&[("AZURE_CLIENT_SECRET", "")]), "Imds(http://169.254.169.254, SystemAssigned)");
        assert_eq!(
            of(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://[::1]:2")]),
            "Imds(http://[::1]:2, SystemAssigned)"
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        let header = Zeroizing::new("hush".to_owned());
        let all = [
            Credential::client_secret("c", "hush"),
            Credential::bearer("hush"),
            Credential::AppService { endpoint: String::new(), header, identity: ManagedIdentity::SystemAssigned },
        ];
        assert!(all.iter().all(|credential| !format!("{credential:?}").contains("hush")));
    }

    #[test]
    fn a_managed_identity_can_be_selected() {
        let imds = || Credential::from_variables(|_| None);
        let selected = format!("{:?}", imds().as_user_assigned("/subscriptions/s"));
        assert_eq!(selected, r#"Imds(http://169.254.169.254, ResourceId("/subscriptions/s"))"#);
        assert!(format!("{:?}", imds().as_user_assigned("id")).contains(r#"ClientId("id")"#));
    }
}
