//! The tenant: its identities and the issuer of its tokens. Knows no HTTP and no vaults; lives on the system clock,
//! because clients check tokens with theirs.

mod assertion;
mod identities;
mod identity;
mod issuer;
mod recorded_tenant;
mod resource;
mod select;
mod sign_in;
mod signing;
mod token;

use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use crate::clock::Clock;
use crate::records::{Degraded, Records};
use crate::resource_id::{DEFAULT_RESOURCE_GROUP, ResourceId, ResourceType, SubscriptionId};

pub use assertion::{ExternalIssuers, ExternalKeys};
pub use identities::AddRefusal;
pub use identity::{ClientSecret, FederatedCredential, IdentityRecord};
pub use issuer::{IssuerError, PublicKey};
pub use resource::{IsChallengeResource, Resources, no_such_resource};
pub use select::{IdentitySelector, UnknownIdentities};
pub use sign_in::{ClientCredential, CredentialKind, SignInRefusal, SignInRequest};
pub use token::{Claims, ClientAuthentication, EXCHANGE_AUDIENCE, IssuedToken, TokenRefusal};

use issuer::Issuer;

/// One tenant. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

/// What a tenant is called.
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
    /// The identities of the configuration, in its order.
    configured: OnceLock<Vec<Uuid>>,
    accepted: sign_in::Accepted,
}

impl Directory {
    /// The directory `tenant`, kept in `records`. `clock` is the system clock; at most `checked_tokens` tokens whose
    /// signature was found good are remembered.
    pub fn new(tenant: Tenant, records: Records, clock: Arc<dyn Clock>, checked_tokens: usize) -> Self {
        let issuer_name = format!("https://sts.windows.net/{}/", tenant.id);
        Self {
            inner: Arc::new(Inner {
                tenant,
                issuer_name,
                records,
                issuer: Issuer::new(checked_tokens),
                clock,
                configured: OnceLock::new(),
                accepted: sign_in::Accepted::default(),
            }),
        }
    }

    /// The same tenant over other records: a draft that is to replace these.
    pub fn with_records(&self, records: Records) -> Self {
        Self::new(self.inner.tenant, records, self.inner.clock.clone(), 1)
    }

    /// The tenant's id.
    pub fn tenant_id(&self) -> Uuid {
        self.inner.tenant.id
    }

    /// The tenant and its subscription.
    pub fn tenant(&self) -> Tenant {
        self.inner.tenant
    }

    /// The issuer of every token, whatever the port: `https://sts.windows.net/TENANT/`.
    pub fn issuer(&self) -> &str {
        &self.inner.issuer_name
    }

    /// Where the issuer's key lies among the records: what keeps tokens good when everything else is replaced.
    pub fn issuer_store_key() -> crate::store::Key {
        issuer::place()
    }

    /// Why nothing can be written while reads go on, if that is so.
    pub fn degraded(&self) -> Option<Degraded> {
        self.inner.records.degraded()
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }
}
