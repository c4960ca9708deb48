//! The tenant: its identities and the issuer of its tokens. Knows no HTTP and no vaults; lives on the system clock,
//! because clients check tokens with theirs.

mod assertion;
mod claims;
mod configured;
mod identities;
mod identity;
mod issuer;
mod issuer_record;
mod recorded_tenant;
mod select;
mod session;
mod sign_in;
mod signing;
mod token;
mod token_resource;

use std::sync::{Arc, RwLock};

use uuid::Uuid;

use crate::clock::Clock;
use crate::records::{Degraded, Records};
use crate::resource_id::{DEFAULT_RESOURCE_GROUP, ResourceId, ResourceType, SubscriptionId};

#[cfg(any(test, fuzzing))]
pub(crate) use assertion::fuzz as fuzz_token;
pub(crate) use assertion::{ExternalIssuers, ExternalKeys};
pub(crate) use claims::Claims;
pub(crate) use configured::{IdentityChange, IdentityMember};
pub(crate) use identities::AddRefusal;
pub(crate) use identity::{ClientSecret, FederatedCredential, IdentityRecord};
pub(crate) use select::{IdentitySelector, UnknownIdentities};
pub(crate) use session::{ClaimsChallenge, EndedSession, SessionEnd, application_disabled};
pub(crate) use sign_in::{ClientCredential, CredentialKind, SignInRefusal, SignInRequest};
pub(crate) use signing::{IssuerError, PublicKey};
pub(crate) use token::{AuthenticatedCaller, ClientAuthentication, EXCHANGE_AUDIENCE, IssuedToken, TokenRefusal};
pub(crate) use token_resource::{IsChallengeResource, TokenResources, no_such_resource};

use issuer::Issuer;

/// One tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Directory {
    inner: Arc<Inner>,
}

/// The ids of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its one subscription.
    pub subscription: SubscriptionId,
}

impl Tenant {
    /// The resource id of the user-assigned identity `name`, unless it is given another.
    pub fn identity_id(&self, name: &str) -> ResourceId {
        self.subscription.resource(DEFAULT_RESOURCE_GROUP, ResourceType::USER_ASSIGNED_IDENTITY, name)
    }
}

struct Inner {
    tenant: Tenant,
    issuer_name: String,
    records: Records,
    issuer: Issuer,
    clock: Arc<dyn Clock>,
    /// The identities of the configuration, in its order, and whether it says that they are system-assigned.
    configured: RwLock<Vec<(Uuid, bool)>>,
    placeholders: sign_in::AcceptedPlaceholders,
}

impl Directory {
    /// The directory of `tenant`, stored in `records`. `clock` is the system clock; the claims of at most `max_cached_tokens`
    /// tokens are cached after their signature was verified.
    pub(crate) fn new(tenant: Tenant, records: Records, clock: Arc<dyn Clock>, max_cached_tokens: usize) -> Self {
        let issuer_name = format!("https://sts.windows.net/{}/", tenant.id);
        Self {
            inner: Arc::new(Inner {
                tenant,
                issuer_name,
                records,
                issuer: Issuer::new(max_cached_tokens),
                clock,
                configured: RwLock::default(),
                placeholders: sign_in::AcceptedPlaceholders::default(),
            }),
        }
    }

    /// The same tenant in other records, which are to replace these.
    pub(crate) fn with_records(&self, records: Records) -> Self {
        Self::new(self.inner.tenant, records, self.inner.clock.clone(), 1)
    }

    /// The tenant's id.
    pub(crate) fn tenant_id(&self) -> Uuid {
        self.inner.tenant.id
    }

    /// The tenant and its subscription.
    pub(crate) fn tenant(&self) -> Tenant {
        self.inner.tenant
    }

    /// The issuer of every token, whatever the port: `https://sts.windows.net/TENANT/`.
    pub(crate) fn issuer(&self) -> &str {
        &self.inner.issuer_name
    }

    /// The store key of the issuer's keys. A reset carries them over, so that tokens stay valid.
    pub(crate) fn issuer_store_key() -> crate::store::EntryKey {
        issuer::store_key()
    }

    /// Why the store is read-only, if it is.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        self.inner.records.degraded()
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }
}
