//! Who a client is.

use std::fmt;

use zeroize::Zeroizing;

/// Who a client is, and how it proves it.
#[derive(Clone)]
pub enum Credential {
    /// An application with its secret (`client_credentials`, RFC 6749 section 4.4).
    Secret {
        /// The application's client id.
        client_id: String,
        /// Its secret.
        secret: Zeroizing<String>,
        /// Where it signs in, such as `https://login.microsoftonline.com`; else where the vault's challenge says.
        authority: Option<String>,
    },
    /// A managed identity as App Service gives it: `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    AppService {
        /// The endpoint's URL.
        endpoint: String,
        /// What goes into `X-IDENTITY-HEADER`.
        header: Zeroizing<String>,
        /// Which identity.
        which: Which,
    },
    /// A managed identity as the instance metadata service gives it.
    Imds {
        /// `http://169.254.169.254`, or what stands in for it.
        host: String,
        /// Which identity.
        which: Which,
    },
    /// A token that was fetched elsewhere; nothing takes its place when it has expired.
    Bearer(Zeroizing<String>),
}

/// Which of several managed identities is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The system-assigned one.
    #[default]
    System,
    /// The user-assigned one of this client id.
    ClientId(String),
    /// The user-assigned one of this resource id, `/subscriptions/…/userAssignedIdentities/NAME`.
    ResourceId(String),
}

impl Credential {
    /// A client secret that signs in where the vault's challenge says.
    pub fn secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        let secret = Zeroizing::new(secret.into());
        Self::Secret { client_id: client_id.into(), secret, authority: None }
    }

    /// A token that was fetched elsewhere.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer(Zeroizing::new(token.into()))
    }

    /// Who the environment says, in the order of DefaultAzureCredential: an application (`AZURE_TENANT_ID`,
    /// `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`, signing in at `AZURE_AUTHORITY_HOST`), App Service's identity
    /// (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`), the metadata service (`AZURE_POD_IDENTITY_AUTHORITY_HOST`). A managed
    /// identity is the one of `AZURE_CLIENT_ID`, if that is set.
    pub fn from_env() -> Self {
        Self::of_variables(|name| std::env::var(name).ok())
    }

    /// Who the variables that `of` answers say, like [`Credential::from_env`].
    pub fn of_variables(of: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| of(name).filter(|value| !value.is_empty());
        let client_id = set("AZURE_CLIENT_ID");
        if let (Some(_), Some(client_id), Some(secret)) =
            (set("AZURE_TENANT_ID"), client_id.clone(), set("AZURE_CLIENT_SECRET"))
        {
            return Self::Secret { client_id, secret: Zeroizing::new(secret), authority: set("AZURE_AUTHORITY_HOST") };
        }
        let which = client_id.map_or(Which::System, Which::ClientId);
        if let (Some(endpoint), Some(header)) = (set("IDENTITY_ENDPOINT"), set("IDENTITY_HEADER")) {
            return Self::AppService { endpoint, header: Zeroizing::new(header), which };
        }
        let host = set("AZURE_POD_IDENTITY_AUTHORITY_HOST").unwrap_or_else(|| "http://169.254.169.254".to_owned());
        Self::Imds { host, which }
    }

    /// The same source, for the user-assigned identity `id` (a resource id or a client id). An application or a token stays
    /// what it is: neither can be another.
    #[must_use]
    pub fn as_user_assigned(self, id: &str) -> Self {
        let chosen =
            if id.starts_with('/') { Which::ResourceId(id.to_owned()) } else { Which::ClientId(id.to_owned()) };
        match self {
            Self::AppService { endpoint, header, .. } => Self::AppService { endpoint, header, which: chosen },
            Self::Imds { host, .. } => Self::Imds { host, which: chosen },
            other => other,
        }
    }
}

impl fmt::Debug for Credential {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { client_id, authority, .. } => write!(f, "Secret({client_id}, {authority:?})"),
            Self::AppService { endpoint, which, .. } => write!(f, "AppService({endpoint}, {which:?})"),
            Self::Imds { host, which } => write!(f, "Imds({host}, {which:?})"),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> String {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        format!("{:?}", Credential::of_variables(find))
    }

    #[test]
    fn the_environment_says_who_in_the_order_of_the_official_clients() {
        let application = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "hush")];
        let app_service = [("IDENTITY_ENDPOINT", "http://127.0.0.1:1/x"), ("IDENTITY_HEADER", "hush")];
        assert_eq!(of(&[application.as_slice(), &app_service].concat()), "Secret(c, None)");
        assert_eq!(
            of(&[&application[..2], &app_service].concat()),
            r#"AppService(http://127.0.0.1:1/x, ClientId("c"))"#
        );
        assert_eq!(of(&[application.as_slice(), &[("AZURE_CLIENT_SECRET", "")]].concat()), "Secret(c, None)");
        assert_eq!(of(&app_service), "AppService(http://127.0.0.1:1/x, System)");
        assert_eq!(of(&[("AZURE_CLIENT_SECRET", "")]), "Imds(http://169.254.169.254, System)");
        assert_eq!(of(&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://[::1]:2")]), "Imds(http://[::1]:2, System)");
    }

    #[test]
    fn no_secret_is_shown() {
        let header = Zeroizing::new("hush".to_owned());
        let all = [
            Credential::secret("c", "hush"),
            Credential::bearer("hush"),
            Credential::AppService { endpoint: String::new(), header, which: Which::System },
        ];
        assert!(all.iter().all(|credential| !format!("{credential:?}").contains("hush")));
    }

    #[test]
    fn a_managed_identity_can_be_chosen() {
        let imds = || Credential::of_variables(|_| None);
        let chosen = format!("{:?}", imds().as_user_assigned("/subscriptions/s"));
        assert_eq!(chosen, r#"Imds(http://169.254.169.254, ResourceId("/subscriptions/s"))"#);
        assert!(format!("{:?}", imds().as_user_assigned("id")).contains(r#"ClientId("id")"#));
    }
}
