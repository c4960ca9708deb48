//! Why a change of a resource was not made.

use uuid::Uuid;

use super::factory::id::{ChildId, FactoryId, NetworkId};
use super::factory::runtime::refusal::RuntimeRefusal;
use super::group_id::GroupId;
use crate::factory;
use crate::pipeline::NotRunnable;
use crate::records::RecordError;
use crate::vault;

/// Why a resource or a group was not changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such resource group.
    NoGroup(GroupId),
    /// The location of what there is cannot change.
    FixedLocation {
        /// Where it is.
        current: String,
        /// Where it was wanted.
        wanted: String,
    },
    /// There is no such factory.
    NoFactory(FactoryId),
    /// There is nothing of this name in the factory.
    NoChild(ChildId),
    /// Something about an integration runtime.
    Runtime(RuntimeRefusal),
    /// A factory of this name is elsewhere; names are unique in the world.
    FactoryNameInUse(String),
    /// The location of a resource cannot change.
    FixedResourceLocation {
        /// The resource.
        id: FactoryId,
        /// Where it is.
        current: String,
        /// Where it was wanted.
        wanted: String,
    },
    /// No identity has this resource id.
    NoIdentity(String),
    /// An identity of this name is there, which a factory's own would have.
    IdentityTaken(String),
    /// The etag is not the one that the write asks for.
    PreconditionFailed,
    /// A definition lacks something.
    Definition(String),
    /// A definition holds a credential that cannot be taken.
    Credential(factory::Unusable),
    /// A credential is of an identity that the factory does not have.
    CredentialIdentity(String),
    /// The credentials of a linked service were to be encrypted on a node of its runtime, and none can.
    NotEncrypted {
        /// The linked service.
        id: Box<ChildId>,
        /// Its definition without credentials.
        properties: serde_json::Value,
        /// The runtime.
        runtime: String,
        /// Why no node of it has.
        why: RuntimeRefusal,
    },
    /// A secret could not be sealed.
    Sealing(factory::Refusal),
    /// A managed virtual network has one name alone.
    NetworkName,
    /// A definition refers to what is not there.
    InvalidReference {
        /// The name.
        name: String,
    },
    /// There is no such connection or managed private endpoint.
    NoNetworkResource(NetworkId),
    /// The settings of the key of this factory are in its template in Git mode alone.
    NoGitMode(String),
    /// The factory has as many private endpoints as it can have.
    TooManyEndpoints,
    /// Something refers to what is to be deleted.
    Referenced {
        /// Its name.
        by: String,
    },
    /// The group holds these resources, which are not deleted with it.
    Holds(Vec<String>),
    /// The group is the one of all that name no other.
    DefaultGroup,
    /// The limit of groups is reached.
    TooManyGroups,
    /// There are too many tags.
    TooManyTags,
    /// A tag of this name is too long or empty, or another's name differs in case alone.
    InvalidTag(String),
    /// A member of a group is longer than this, in characters.
    TooLong {
        /// The member.
        member: &'static str,
        /// The most characters.
        most: usize,
    },
    /// A rule for a customer-managed key is violated, or its vault refuses it.
    CustomerKey(factory::Refusal),
    /// The customer-managed key does not unwrap the data key, without which nothing in the factory can be read or written.
    KeyAway(factory::Refusal),
    /// The factory does not have the identity that its customer-managed key is used as: this user-assigned one, or one of its own.
    KeyIdentity(Option<String>),
    /// The vault of the customer-managed key is in another region.
    KeyRegion {
        /// The vault.
        vault: String,
        /// Its region.
        theirs: String,
        /// The factory's.
        ours: String,
    },
    /// What was begun did not end, because the server stops.
    Interrupted(String),
    /// There is no pipeline of this name.
    NoPipeline(String),
    /// There is no run of this id.
    NoRun(Uuid),
    /// The pipeline cannot be run here, or without these arguments.
    NotRunnable(NotRunnable),
    /// So many runs are under way, the most that may be.
    TooManyRuns(usize),
    /// The vaults could not be read.
    Vaults(vault::Refusal),
    /// The store failed, or what allowed the change has changed.
    Record(RecordError),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<vault::Refusal> for Refusal {
    fn from(refusal: vault::Refusal) -> Self {
        Self::Vaults(refusal)
    }
}
