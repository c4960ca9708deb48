//! The resources that tokens can be requested for: those of the cloud, those that challenges of this server name, and
//! applications. Entra refuses all others, for which no tenant has a principal (AADSTS500011).

mod cloud;

use std::sync::Arc;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// Whether a challenge of this server can name a resource.
pub(crate) type IsChallengeResource = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// The resources that tokens can be requested for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TokenResources {
    is_challenge_resource: IsChallengeResource,
}

impl TokenResources {
    /// Resources of the cloud, applications, and those of `is_challenge_resource`.
    pub(crate) fn new(is_challenge_resource: IsChallengeResource) -> Self {
        Self { is_challenge_resource }
    }

    /// Whether there is a principal for `resource`: an `https` URL of the cloud's or of a challenge of this server, an
    /// application's id (also with `spn:` before it) or `api://` URI. URLs with `http://` and URIs of any other scheme are none:
    /// no service has such a name, and identifier URIs can no longer be so.
    pub(crate) fn contains(&self, resource: &str) -> bool {
        if resource.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return false;
        }
        let id = resource.strip_prefix("spn:").unwrap_or(resource);
        match resource.split_once("://") {
            Some(("api", rest)) => !rest.is_empty(),
            Some(("https", rest)) => cloud::is_cloud_resource(rest) || (self.is_challenge_resource)(resource),
            Some(_) => false,
            None => is_application_id(id),
        }
    }
}

/// A GUID in its one form with hyphens: tokens name it as it was asked for.
fn is_application_id(text: &str) -> bool {
    text.len() == Hyphenated::LENGTH && Uuid::parse_str(text).is_ok()
}

/// Entra's sentence for a resource that has no principal (recorded in public: AzureAD/microsoft-authentication-library-for-dotnet
/// issue 3979, where the metadata service passes it on). What would be an escape in JSON is a blank.
pub(crate) fn no_such_resource(resource: &str, tenant: Uuid) -> String {
    let resource = resource.replace(|c: char| c.is_control() || matches!(c, '"' | '\\'), " ");
    format!(
        "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the \
         application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You \
         might have sent your authentication request to the wrong tenant."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(resource: &str) -> bool {
        TokenResources::new(Arc::new(|resource| resource == "https://vault.localhost:8443")).contains(resource)
    }

    #[test]
    fn resources_of_the_cloud_applications_and_challenges_are_known() {
        for resource in [
            "https://vault.azure.net",
            "https://vault.azure.net/",
            "https://VAULT.azure.net",
            "https://managedhsm.usgovcloudapi.net",
            "https://management.core.windows.net//",
            "https://management.core.windows.net:8443/",
            "https://management.core.cloudapi.de:8443/",
            "https://management.sovcloud-api.fr/",
            "https://gallery.cloudapi.de/",
            "https://graph.microsoftazure.us/",
            "https://graph.microsoft.com",
            "https://acme.blob.core.windows.net",
            "https://acme.z12.blob.storage.azure.net",
            "https://acme.servicebus.windows.net/",
            "https://acme.documents.azure.com",
            "https://ossrdbms-aad.database.windows.net",
            "https://analysis.windows.net/powerbi/api",
            "https://pas.windows.net/CheckMyAccess/Linux",
            "https://pas.chinacloudapi.cn/CheckMyAccess/Linux",
            "https://pasff.usgovcloudapi.net/CheckMyAccess/Linux",
            "https://token.postgres.cosmos.azure.com",
            "https://appservice.azure.com",
            "https://exp.azure.net",
            "https://deid.azure.com",
            "https://durabletask.io",
            "https://geocatalog.spatio.azure.com",
            "https://sts.mixedreality.azure.com//",
            "https://easm.defender.microsoft.com",
            "https://api.securitycenter.microsoft.com",
            "https://api.powerplatform.com",
            "https://contoso.onmicrosoft.com/orders",
            "https://vault.localhost:8443",
            "api://orders",
            "api://AzureADTokenExchange",
            "499b84ac-1321-427f-aa17-267ca6975798",
            "spn:6dae42f8-4368-4678-94ff-3960e28e3630",
        ] {
            assert!(knows(resource), "{resource}");
        }
    }

    #[test]
    fn nothing_else_is() {
        for resource in [
            "https://nothing.example",
            "https://vault.azure.net.nothing.example",
            "https://nothing.example/vault.azure.net",
            "https://xvault.azure.net",
            "https://acme.vault.azure.net",
            "https://vault.azure.net:8443",
            "https://vault.azure.net/keys",
            "https://user@vault.azure.net",
            "https://user@acme.blob.core.windows.net",
            "https://vault.azure.net?x",
            "https://.blob.core.windows.net",
            "https://management.azure.com/subscriptions",
            "https://",
            "http://vault.azure.net",
            "HTTPS://vault.azure.net",
            "urn:orders",
            "ms-app://orders",
            "api://",
            "vault.azure.net",
            "spn:orders",
            "{499b84ac-1321-427f-aa17-267ca6975798}",
            "499b84ac1321427faa17267ca6975798",
            "urn:uuid:499b84ac-1321-427f-aa17-267ca6975798",
            "https://vault.azure.net\n",
            "",
        ] {
            assert!(!knows(resource), "{resource}");
        }
    }
}
