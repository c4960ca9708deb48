//! Tokens: what they say, how they are issued, and what makes one acceptable.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::issuer::NotSigned;
use super::{Directory, IdentityRecord, IssuerError};
use crate::access::Identity;
use crate::records::RecordError;

/// How long an access token is good for, in seconds.
const LIFETIME: i64 = 3599;
/// How long a federated token is good for, in seconds: a day, as the longest of a cluster's service accounts.
pub(super) const FEDERATED_LIFETIME: i64 = 86_400;
/// What federated tokens are for, unless something else was agreed (Entra's documents).
pub const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

/// The claims of an access token, as Entra writes them for an application (version 1 with `azp` besides).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The resource the token is for.
    pub aud: String,
    /// The issuer.
    pub iss: String,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// Not good before, in Unix seconds.
    pub nbf: i64,
    /// Not good from this moment on, in Unix seconds.
    pub exp: i64,
    /// The application id.
    pub appid: Uuid,
    /// The application id, under the name of version 2.
    pub azp: Uuid,
    /// `app`: the caller is no person.
    pub idtyp: String,
    /// The principal id.
    pub oid: Uuid,
    /// The principal id again.
    pub sub: Uuid,
    /// The tenant.
    pub tid: Uuid,
    /// The version of this form.
    pub ver: String,
    /// How the application proved who it is: 1 by a secret, 2 by an assertion. Managed identities have none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appidacr: Option<String>,
    /// The ARM id, when the token was given to a managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
}

/// How a client authenticated for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// A managed identity: every program that can reach the identity listener has it.
    ManagedIdentity,
    /// A client secret.
    Secret,
    /// An assertion, signed with a certificate or by another issuer (RFC 7523).
    Assertion,
}

/// The claims of a federated token: it says who somebody is, so that it can be exchanged for an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FederatedClaims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}

/// A token and what its receiver must know about it. Whoever has it is somebody, so it has no `Debug`.
pub struct IssuedToken {
    /// The token.
    pub access_token: String,
    /// The application id it was given to.
    pub client_id: Uuid,
    /// Seconds it is good for.
    pub expires_in: i64,
    /// When it was issued, in Unix seconds.
    pub not_before: i64,
    /// When it ends, in Unix seconds.
    pub expires_on: i64,
}

/// Why a token is not accepted.
#[derive(Debug)]
pub enum TokenRefusal {
    /// It is no JWT.
    Malformed,
    /// It was signed by a key that is not ours.
    UnknownKey,
    /// Its signature does not fit.
    BadSignature,
    /// It is from another issuer or tenant.
    Issuer(String),
    /// It is for something else.
    Audience(String),
    /// It has expired.
    Expired,
    /// It is not good yet.
    NotYetValid,
    /// The identity it speaks of does not exist (any more).
    NoSuchIdentity(Uuid),
    /// The store failed.
    Record(RecordError),
}

impl Directory {
    /// A token of `identity` for `resource`; waits for the issuer's key on a first start.
    ///
    /// # Errors
    /// When the issuer's key never came to be.
    pub async fn issue(
        &self,
        identity: &IdentityRecord,
        resource: &str,
        by: ClientAuthentication,
    ) -> Result<IssuedToken, IssuerError> {
        let now = self.inner.clock.now().unix();
        let claims = self.claims(identity, resource, by, now);
        let access_token = self.sign(&claims).await?;
        let client_id = identity.client_id;
        Ok(IssuedToken { access_token, client_id, expires_in: LIFETIME, not_before: now, expires_on: claims.exp })
    }

    /// A token that says who `identity` is, to be exchanged for an access token (workload identity); good for a day.
    ///
    /// # Errors
    /// When the issuer's key never came to be.
    pub async fn federated_token(&self, identity: &IdentityRecord) -> Result<IssuedToken, IssuerError> {
        let (now, client_id) = (self.inner.clock.now().unix(), identity.client_id);
        let claims = FederatedClaims {
            iss: self.federated_issuer(),
            sub: client_id.to_string(),
            aud: EXCHANGE_AUDIENCE.to_owned(),
            iat: now,
            nbf: now,
            exp: now + FEDERATED_LIFETIME,
        };
        let access_token = self.sign(&claims).await?;
        Ok(IssuedToken {
            access_token,
            client_id,
            expires_in: FEDERATED_LIFETIME,
            not_before: now,
            expires_on: claims.exp,
        })
    }

    /// Whether `token` is a federated token of this server's that is good for half its life at the least.
    pub fn is_fresh_federated_token(&self, token: &str) -> bool {
        let half_over = self.inner.clock.now().unix() + FEDERATED_LIFETIME / 2;
        let said = self.inner.issuer.claims::<FederatedClaims>(token.trim());
        said.is_ok_and(|said| said.iss == self.federated_issuer() && said.exp >= half_over)
    }

    /// Who signs federated tokens: no issuer of access tokens, so that neither stands in for the other.
    pub(super) fn federated_issuer(&self) -> String {
        format!("https://login.localhost/{}/federated", self.tenant_id())
    }

    /// Who holds `token`, if it was issued here, is good now, is for one of `audiences` (compared without
    /// regard to case and last slashes, as the resources that tokens are given for) and speaks of an identity that exists.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub async fn authenticate(&self, token: &str, audiences: &[&str]) -> Result<Identity, TokenRefusal> {
        let claims = self.inner.issuer.signed(token).map_err(TokenRefusal::from)?;
        self.check(&claims, audiences)?;
        match self.identity(claims.oid).await {
            Ok(Some(identity)) if identity.client_id == claims.appid => {
                let groups = identity.groups.clone();
                Ok(Identity { tenant: claims.tid, object_id: claims.oid, app_id: claims.appid, groups })
            }
            Ok(_) => Err(TokenRefusal::NoSuchIdentity(claims.oid)),
            Err(error) => Err(TokenRefusal::Record(error)),
        }
    }

    fn check(&self, claims: &Arc<Claims>, audiences: &[&str]) -> Result<(), TokenRefusal> {
        let now = self.inner.clock.now().unix();
        if claims.iss != self.issuer() || claims.tid != self.tenant_id() {
            return Err(TokenRefusal::Issuer(claims.iss.clone()));
        }
        if !audiences.iter().any(|audience| trimmed(audience).eq_ignore_ascii_case(trimmed(&claims.aud))) {
            return Err(TokenRefusal::Audience(claims.aud.clone()));
        }
        if now >= claims.exp {
            return Err(TokenRefusal::Expired);
        }
        if now < claims.nbf {
            return Err(TokenRefusal::NotYetValid);
        }
        Ok(())
    }

    fn claims(&self, identity: &IdentityRecord, resource: &str, by: ClientAuthentication, now: i64) -> Claims {
        Claims {
            aud: resource.to_owned(),
            iss: self.issuer().to_owned(),
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
            appid: identity.client_id,
            azp: identity.client_id,
            idtyp: "app".to_owned(),
            oid: identity.object_id,
            sub: identity.object_id,
            tid: self.tenant_id(),
            ver: "1.0".to_owned(),
            appidacr: by.appidacr(),
            xms_mirid: (by == ClientAuthentication::ManagedIdentity).then(|| identity.resource_id.clone()),
        }
    }
}

impl ClientAuthentication {
    fn appidacr(self) -> Option<String> {
        match self {
            Self::ManagedIdentity => None,
            Self::Secret => Some("1".to_owned()),
            Self::Assertion => Some("2".to_owned()),
        }
    }
}

impl From<NotSigned> for TokenRefusal {
    fn from(why: NotSigned) -> Self {
        match why {
            NotSigned::Unknown(why) => Self::Record(RecordError::Damaged { record: "issuer/current".into(), why }),
            NotSigned::Malformed => Self::Malformed,
            NotSigned::UnknownKey => Self::UnknownKey,
            NotSigned::BadSignature => Self::BadSignature,
        }
    }
}

fn trimmed(audience: &str) -> &str {
    audience.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::clock::{Timestamp, VirtualClock};
    use crate::crypto::pool::Pool;
    use crate::directory::Tenant;
    use crate::random;
    use crate::records::Records;
    use crate::resource_id::SubscriptionId;
    use crate::store::{DataKey, Store};

    const HERE: &str = "https://vault.azure.net";

    fn someone() -> IdentityRecord {
        IdentityRecord {
            name: "someone".to_owned(),
            client_id: Uuid::from_u128(1),
            object_id: Uuid::from_u128(2),
            resource_id: "/resource".to_owned(),
            ..IdentityRecord::default()
        }
    }

    async fn directory(tenant: u128, store: &Store, clock: &Arc<VirtualClock>) -> Directory {
        let tenant = Tenant { id: Uuid::from_u128(tenant), subscription: SubscriptionId(Uuid::nil()) };
        let directory = Directory::new(tenant, Records::new(store.clone()), clock.clone(), 10);
        directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap();
        directory
    }

    async fn world() -> (Directory, Store, Arc<VirtualClock>) {
        let clock = Arc::new(VirtualClock::frozen_at(Timestamp::from_unix(1_000_000)));
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        let directory = directory(9, &store, &clock).await;
        directory.ensure(&[someone()]).await.unwrap();
        (directory, store, clock)
    }

    #[tokio::test]
    async fn a_damaged_key_is_told_at_once_and_to_everybody() {
        let (one, store, clock) = world().await;
        let token = one.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        store.commit(crate::store::Batch::default().put("issuer/current", b"{}".to_vec())).await.unwrap();
        let tenant = Tenant { id: one.tenant_id(), subscription: SubscriptionId(Uuid::nil()) };
        let again = Directory::new(tenant, Records::new(store), clock, 10);
        assert_eq!(again.issuer_failure(), None);
        assert!(again.prepare_issuer(&Pool::start(1, 10)).await.is_err());
        assert!(again.issuer_failure().is_some());
        let asked = tokio::time::timeout(
            std::time::Duration::from_secs(5),
            again.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity),
        )
        .await;
        assert!(asked.unwrap().is_err(), "nobody waits for a key that never comes");
        let checked = again.authenticate(&token, &[HERE]).await;
        assert!(matches!(checked, Err(TokenRefusal::Record(_))), "{checked:?}");
    }

    #[tokio::test]
    async fn a_token_is_good_from_its_first_second_to_the_one_before_its_last() {
        let (directory, _, clock) = world().await;
        let token =
            directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        let ask = async || directory.authenticate(&token, &[HERE]).await;
        assert_eq!(ask().await.unwrap().object_id, someone().object_id);
        clock.set(Timestamp::from_unix(999_999));
        assert!(matches!(ask().await, Err(TokenRefusal::NotYetValid)), "though its signature is remembered");
        clock.advance(LIFETIME);
        assert!(ask().await.is_ok());
        clock.advance(1);
        assert!(matches!(ask().await, Err(TokenRefusal::Expired)));
    }

    #[tokio::test]
    async fn an_audience_is_compared_as_resources_are() {
        let (directory, ..) = world().await;
        for (resource, good) in [
            ("https://VAULT.azure.net", true),
            ("https://vault.azure.net//", true),
            ("https://vault.azure.net.example", false),
            ("https://vault.azure.net:8443", false),
        ] {
            let token = directory
                .issue(&someone(), resource, ClientAuthentication::ManagedIdentity)
                .await
                .unwrap()
                .access_token;
            assert_eq!(directory.authenticate(&token, &[HERE]).await.is_ok(), good, "{resource}");
        }
    }

    #[tokio::test]
    async fn a_token_of_somebody_who_does_not_exist_is_refused() {
        let (directory, ..) = world().await;
        let stranger = IdentityRecord { object_id: Uuid::from_u128(7), ..someone() };
        let token = directory.issue(&stranger, HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        let refused = directory.authenticate(&token, &[HERE]).await;
        assert!(matches!(refused, Err(TokenRefusal::NoSuchIdentity(id)) if id == stranger.object_id));
    }

    #[tokio::test]
    async fn a_token_of_another_tenant_is_refused_though_its_key_is_ours() {
        let (directory, store, clock) = world().await;
        let other = self::directory(8, &store, &clock).await;
        let token = other.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        let refused = directory.authenticate(&token, &[HERE]).await;
        assert!(matches!(refused, Err(TokenRefusal::Issuer(found)) if found == other.issuer()));
    }

    #[tokio::test]
    async fn the_issuers_key_is_made_once() {
        let (directory, store, clock) = world().await;
        let again = self::directory(9, &store, &clock).await;
        assert_eq!(directory.public_keys().await.unwrap(), again.public_keys().await.unwrap());
    }

    #[tokio::test]
    async fn a_key_that_has_signed_for_a_month_is_followed_by_another_and_its_tokens_stay_good() {
        let (directory, store, clock) = world().await;
        let pool = Pool::start(1, 10);
        let due = directory.prepare_issuer(&pool).await.unwrap();
        assert_eq!(due, 1_000_000 + 30 * 86_400);
        clock.set(Timestamp::from_unix(due - 1));
        let token =
            directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        let federated = directory.federated_token(&someone()).await.unwrap().access_token;
        assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), due, "not a second early");
        let before = directory.public_keys().await.unwrap();

        clock.set(Timestamp::from_unix(due));
        assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), due + 30 * 86_400);
        let after = directory.public_keys().await.unwrap();
        assert_eq!((before.len(), after.len(), &after[1]), (1, 2, &before[0]), "both are shown, the new one first");
        assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
        let again = self::directory(9, &store, &clock).await;
        assert!(again.authenticate(&token, &[HERE]).await.is_ok(), "and after a restart");
        assert_eq!(
            again.inner.issuer.claims::<FederatedClaims>(&federated).unwrap().sub,
            someone().client_id.to_string()
        );

        clock.set(Timestamp::from_unix(due + 30 * 86_400));
        directory.prepare_issuer(&pool).await.unwrap();
        let last = directory.public_keys().await.unwrap();
        assert_eq!((last.len(), &last[1]), (2, &after[0]), "what nothing good was signed with is gone");
    }

    #[tokio::test]
    async fn a_key_goes_on_signing_when_the_next_one_cannot_be_made() {
        let (directory, _, clock) = world().await;
        let due = directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap();
        clock.set(Timestamp::from_unix(due));
        let broken = Pool::start(1, 10);
        broken.stop();
        assert_eq!(directory.prepare_issuer(&broken).await.unwrap(), due + 60, "it is tried again after a minute");
        let token =
            directory.issue(&someone(), HERE, ClientAuthentication::ManagedIdentity).await.unwrap().access_token;
        assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
        assert_eq!(directory.prepare_issuer(&Pool::start(1, 10)).await.unwrap(), due + 30 * 86_400);
        assert!(directory.authenticate(&token, &[HERE]).await.is_ok());
    }

    #[tokio::test]
    async fn a_key_that_was_made_by_a_clock_far_ahead_is_followed_by_another() {
        let (directory, _, clock) = world().await;
        let (pool, before) = (Pool::start(1, 10), directory.public_keys().await.unwrap());
        clock.set(Timestamp::from_unix(1_000_000 - 86_400));
        assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), 1_000_000 + 30 * 86_400, "clocks differ a little");
        clock.set(Timestamp::from_unix(1_000_000 - 86_401));
        assert_eq!(directory.prepare_issuer(&pool).await.unwrap(), 1_000_000 - 86_401 + 30 * 86_400);
        let after = directory.public_keys().await.unwrap();
        assert_eq!((after.len(), &after[1]), (2, &before[0]));
    }

    #[tokio::test]
    async fn a_federated_token_is_no_access_token() {
        let (directory, ..) = world().await;
        let token = directory.federated_token(&someone()).await.unwrap().access_token;
        let refused = directory.authenticate(&token, &[HERE, EXCHANGE_AUDIENCE]).await;
        assert!(matches!(refused, Err(TokenRefusal::BadSignature)), "{refused:?}");
    }
}
