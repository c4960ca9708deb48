//! What a runtime is given of a Web activity: definitions and vaults found, and for a node tokens of the factory's identities.

use std::collections::BTreeSet;

use serde_json::Value;
use zeroize::Zeroizing;

use super::execute::{Execution, INVALID_TEMPLATE};
use super::outside::Holder;
use super::web::{Given, Place, unreadable};
use crate::activity::{CALL_FAILED, INVALID_PROPERTY, references_in};
use crate::management::factory::child::managed_identity;
use crate::management::factory::id::ChildId;
use crate::management::factory::kind::ChildKind;
use crate::management::factory::resolved::ResolvedChild;
use crate::pipeline::{Authentication, Failed, Values, WebCall, WebRequest};
use crate::remote::VaultUrl;
use crate::secret_json::SecretJson;
use crate::web_task::{ActivityError, Along, SignIn, Store, WebTask};

/// The type of a linked service that is a vault.
const KEY_VAULT: &str = "AzureKeyVault";
/// What a token is for that a node reads secrets with.
const VAULTS: &str = "https://vault.azure.net";

impl Execution {
    /// What the runtime at `place` is given of an activity.
    pub(super) async fn task(
        &self,
        given: &Given<'_>,
        request: WebRequest,
        place: &Place,
    ) -> Result<WebTask, ActivityError> {
        let Given { activity, call, values, shown } = given;
        let along = self.along(call, place).await?;
        let sign_in = match &call.authentication {
            Some(authentication) => Some(self.sign_in(authentication, values).await?),
            None => None,
        };
        let stores = self.stores(along.iter().map(|one| &one.properties).chain(credentials(sign_in.as_ref())), place);
        Ok(WebTask {
            stores: stores.await?,
            activity: activity.name.clone(),
            run: self.run.id,
            method: call.method.name().to_owned(),
            url: request.url,
            headers: request.headers.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect(),
            body: request.body.map(SecretJson),
            sign_in,
            along,
            timeout: call.timeout,
            shown_url: shown.url().to_owned(),
            shows_answer: shown.has_answer,
        })
    }

    /// The definitions that go along.
    async fn along(&self, call: &WebCall, place: &Place) -> Result<Vec<Along>, ActivityError> {
        let mut all = Vec::new();
        for (member, kind, names) in [
            ("datasets", ChildKind::Dataset, &call.datasets),
            ("linkedServices", ChildKind::LinkedService, &call.linked_services),
        ] {
            for name in names {
                let found = self.definition(kind, name).await?;
                self.check_usable(name, &found, place).await?;
                all.push(Along { member: member.to_owned(), name: name.clone(), properties: found.properties });
            }
        }
        Ok(all)
    }

    /// Refuses a definition whose credential the runtime at `place` does not have, or may not use.
    async fn check_usable(&self, name: &str, found: &ResolvedChild, place: &Place) -> Result<(), ActivityError> {
        let Place::Nodes(runtime) = place else {
            return match found.reference {
                Some(_) => Err(elsewhere(name, "its runtime")),
                None => Ok(()),
            };
        };
        let factory = self.management.factory(&self.factory).await.map_err(|refusal| unreadable(name, &refusal))?;
        if factory.is_private() && (found.reference.is_some() || found.has_secrets) {
            return Err(wrong(format!(
                "The credentials of the linked service '{name}' are not in a vault: while publicNetworkAccess of the data factory \
                 '{}' is Disabled, the self-hosted integration runtime '{}' uses credentials of a vault alone.",
                self.factory.name(),
                runtime.name()
            )));
        }
        let via = found.properties.0["connectVia"]["referenceName"].as_str();
        match via.filter(|via| found.reference.is_some() && !via.eq_ignore_ascii_case(runtime.name())) {
            Some(other) => Err(elsewhere(name, &format!("the integration runtime '{other}'"))),
            None => Ok(()),
        }
    }

    /// How a call signs in.
    async fn sign_in(&self, authentication: &Authentication, values: &Values) -> Result<SignIn, ActivityError> {
        match authentication {
            Authentication::Basic { username, password } => Ok(SignIn::Basic {
                username: text(username.evaluate(values), "username")?,
                password: SecretJson(password.clone()),
            }),
            Authentication::ClientCertificate { pfx, password } => Ok(SignIn::ClientCertificate {
                pfx: SecretJson(pfx.clone()),
                password: password.clone().map(SecretJson),
            }),
            Authentication::ManagedIdentity { resource, credential } => {
                let resource = text(resource.evaluate(values), "resource")?;
                let holder = match (credential, self.own) {
                    (Some(name), _) => Holder::UserAssigned(self.user_assigned(name, "it signs in").await?),
                    (None, Some(own)) => Holder::Own(own),
                    (None, None) => {
                        let name = self.factory.name();
                        let why = format!("The data factory '{name}' has no system-assigned identity to sign in with.");
                        return Err(wrong(why));
                    }
                };
                Ok(SignIn::Bearer { token: self.token(holder, resource).await? })
            }
        }
    }

    async fn token(&self, holder: Holder, resource: String) -> Result<Zeroizing<String>, ActivityError> {
        let token = self.management.runs.outside().token(holder, resource).await;
        token.map_err(|why| {
            ActivityError::new(CALL_FAILED, format!("Failed to get a token of the managed identity: {why}"))
        })
    }

    /// The vaults that the references in `values` lead to.
    async fn stores(
        &self,
        values: impl Iterator<Item = &SecretJson> + Send,
        place: &Place,
    ) -> Result<Vec<Store>, ActivityError> {
        let mut all: Vec<Store> = Vec::new();
        let mut found = Vec::new();
        for value in values {
            found.extend(references_in(&value.0)?);
        }
        let mut known = BTreeSet::new();
        for (_, reference) in found {
            if known.insert(reference.store.clone()) {
                all.push(self.store(&reference.store, &reference.secret, place).await?);
            }
        }
        Ok(all)
    }

    async fn store(&self, name: &str, secret: &str, place: &Place) -> Result<Store, ActivityError> {
        let found = self.definition(ChildKind::LinkedService, name).await?;
        let service = &found.properties.0;
        let url = service["typeProperties"]["baseUrl"].as_str().filter(|_| service["type"] == KEY_VAULT);
        let url = url.and_then(|url| url.parse::<VaultUrl>().ok()).ok_or_else(|| {
            wrong(format!("'{name}' is no linked service of type AzureKeyVault with the URL of a vault."))
        })?;
        let identity = self.identity_of(service, secret).await?;
        let token = match place {
            Place::Service(_) => None,
            // A token is for a vault alone, whatever the URL is.
            Place::Nodes(_) if !self.management.runs.outside().is_vault(url.host()) => {
                return Err(wrong(format!(
                    "'{url}' of the linked service '{name}' is no vault that is answered here."
                )));
            }
            Place::Nodes(_) => {
                let holder = match (&identity, self.own) {
                    (Some(identity), _) => Holder::UserAssigned(identity.clone()),
                    (None, own) => Holder::Own(own.unwrap_or_default()),
                };
                Some(self.token(holder, VAULTS.to_owned()).await?)
            }
        };
        Ok(Store { name: name.to_owned(), url: url.to_string(), identity, token })
    }

    /// The resource id of the user-assigned identity that a vault's linked service names by its `credential`; none is the factory's own.
    async fn identity_of(&self, store: &Value, secret: &str) -> Result<Option<String>, ActivityError> {
        let factory = self.factory.name();
        let Some(name) = store["typeProperties"]["credential"]["referenceName"].as_str() else {
            return match self.own {
                Some(_) => Ok(None),
                None => Err(wrong(format!(
                    "The data factory '{factory}' has no system-assigned identity to read the secret '{secret}' as."
                ))),
            };
        };
        self.user_assigned(name, &format!("the secret '{secret}' is read")).await.map(Some)
    }

    /// The resource id of the user-assigned identity of the factory that the credential `name` is, as which `what` is done.
    async fn user_assigned(&self, name: &str, what: &str) -> Result<String, ActivityError> {
        let credential = self.definition(ChildKind::Credential, name).await?;
        let id = credential.properties.0.as_object().and_then(managed_identity).ok_or_else(|| {
            wrong(format!("The credential '{name}' is no ManagedIdentity, as which alone {what} here."))
        })?;
        let found = self.management.factory(&self.factory).await.map_err(|refusal| unreadable(name, &refusal))?;
        match found.identity.is_some_and(|all| all.has_user(id)) {
            true => Ok(id.to_owned()),
            false => {
                let factory = self.factory.name();
                Err(wrong(format!(
                    "The identity '{id}' of the credential '{name}' is none of the data factory '{factory}'."
                )))
            }
        }
    }

    async fn definition(&self, kind: ChildKind, name: &str) -> Result<ResolvedChild, ActivityError> {
        let absent = || wrong(format!("There is no '{name}' in {}.", kind.segment()));
        let id = ChildId::parse(self.factory.clone(), kind, name).map_err(|_| absent())?;
        let found = self.management.resolved(&id).await.map_err(|refusal| unreadable(name, &refusal))?;
        found.ok_or_else(absent)
    }
}

/// The credentials of a sign-in.
fn credentials(sign_in: Option<&SignIn>) -> impl Iterator<Item = &SecretJson> + Send {
    let [first, second] = match sign_in {
        Some(SignIn::Basic { password, .. }) => [Some(password), None],
        Some(SignIn::ClientCertificate { pfx, password }) => [Some(pfx), password.as_ref()],
        Some(SignIn::Bearer { .. }) | None => [None, None],
    };
    first.into_iter().chain(second)
}

fn text(value: Result<Value, Failed>, what: &str) -> Result<String, ActivityError> {
    match value {
        Ok(Value::String(text)) if !text.is_empty() && !text.contains(char::is_control) => Ok(text),
        Ok(_) => Err(wrong(format!("The {what} of the authentication is empty or no text."))),
        Err(failed) => Err(ActivityError::new(INVALID_TEMPLATE, failed.0)),
    }
}

fn elsewhere(name: &str, runtime: &str) -> ActivityError {
    wrong(format!("'{name}' cannot be read: its credential is on a node of {runtime}, which alone can use it"))
}

fn wrong(why: impl Into<String>) -> ActivityError {
    ActivityError::new(INVALID_PROPERTY, why)
}
