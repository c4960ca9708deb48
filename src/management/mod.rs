//! What the management plane keeps: resource groups, and the data factories in them. Every change is one commit that expects the role assignments which allowed it.
//! Knows no HTTP and no texts of errors.

mod alone;
mod factory;
mod group;
mod group_id;
mod listed;
mod refusal;
mod tags;
mod vault_access;

use uuid::Uuid;

use factory::{ChildRecord, subscriptions_of};

use crate::authorization::Authorization;
use crate::directory::Directory;
use crate::records::{Change, RecordError, Records, View};
use crate::store::{Batch, EntryKey, Revision};
use crate::vault::Vaults;

pub(crate) use factory::{
    ActivityRun, AssignedIdentities, AuthKeys, Child, ChildId, ChildKind, ConnectedNodes, Connection, ConnectionChange,
    ConnectionInfo, ConnectionState, ConnectionStatus, Definition, DescribedFactory, FACTORY_TYPE, Factory,
    FactoryChange, FactoryDefinition, FactoryHost, FactoryId, FactoryWrite, Filter, Holder, IdentityDefinition,
    Invoker, KeyName, KeySettings, KnownNode, Link, MAX_ENDPOINTS, MAX_JOBS, MAX_NODES, ManagedEndpoint,
    ManagedEndpointDefinition, NODE_DOMAIN, NetworkId, NewIdentity, NewNode, NewRuntime, NodeRoute, NodeStatus,
    Operand, Outside, PlacedEndpoint, Run, RunQuery, Runs, RuntimeChange, RuntimeKind, RuntimeRefusal, RuntimeStatus,
    Waiting,
};
pub(crate) use factory::{ConfiguredFactory, FactoryDifference};
pub(crate) use group::{Group, GroupChange, GroupDefinition, MAX_GROUPS};
pub(crate) use group_id::GroupId;
pub(crate) use listed::Listed;
pub(crate) use refusal::Refusal;
pub(crate) use tags::{MAX_NAME as MAX_TAG_NAME, MAX_TAGS, MAX_VALUE as MAX_TAG_VALUE, Tags};
pub(crate) use vault_access::VaultAccess;

/// What a write was allowed by, and must still be so when it commits: a key and its revision.
pub(crate) type Guard = (EntryKey, Revision);

/// The resources of the tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Management {
    directory: Directory,
    records: Records,
    authorization: Authorization,
    vaults: Vaults,
    access: VaultAccess,
    connected: ConnectedNodes,
    runs: Runs,
}

impl Management {
    /// The resources in `records`; the vaults among them are `vaults`, which they reach by `access`. Pipelines are run by
    /// `runs`.
    pub(crate) fn new(
        (directory, records): (Directory, Records),
        authorization: Authorization,
        vaults: Vaults,
        (access, runs): (VaultAccess, Runs),
    ) -> Self {
        Self { directory, records, authorization, vaults, access, connected: ConnectedNodes::default(), runs }
    }

    /// The same, whose nodes of integration runtimes are `connected`.
    pub(crate) fn with_nodes(self, connected: ConnectedNodes) -> Self {
        Self { connected, ..self }
    }

    /// The ids of all subscriptions: the tenant's, then those that vaults and factories have of their own.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn subscriptions(&self) -> Result<Vec<Uuid>, Refusal> {
        let tenant = self.directory.tenant().subscription;
        let mut all = vec![tenant.0];
        let view = self.records.view().await?;
        let vaults = self.vaults.all_in(&view).await?;
        let of_vaults = vaults.iter().map(|vault| vault.subscription(tenant).0);
        for own in of_vaults.chain(subscriptions_of(&view).await?) {
            if !all.contains(&own) {
                all.push(own);
            }
        }
        Ok(all)
    }

    /// Whether there is a subscription with this id. The tenant's is known without a look at the vaults.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn has_subscription(&self, id: Uuid) -> Result<bool, Refusal> {
        Ok(id == self.directory.tenant().subscription.0 || self.subscriptions().await?.contains(&id))
    }

    /// Runs a write that `guard` allowed. The decision may run several times.
    async fn write<T, F>(&self, guard: &Guard, decide: impl Fn(View) -> F + Sync) -> Result<T, Refusal>
    where
        T: Send,
        F: Future<Output = Result<Change<T>, Refusal>> + Send,
    {
        let decide = &decide;
        let deciding = |view: View| async move {
            let (key, revision) = guard;
            if view.revision_of(key).await.map_err(RecordError::from)?.unwrap_or(0) != *revision {
                return Err(RecordError::Busy.into());
            }
            let Change { batch, answer } = decide(view).await?;
            let batch = if batch.is_empty() { batch } else { batch.expect(key.clone(), *revision) };
            Ok::<_, Refusal>(Change { batch, answer })
        };
        self.records.update(deciding).await
    }
}

/// The begin of a batch that expects `key` as it is in `view`.
async fn expecting(view: &View, key: EntryKey) -> Result<Batch, RecordError> {
    let revision = view.revision_of(&key).await?.unwrap_or(0);
    Ok(Batch::default().expect(key, revision))
}

/// The begin of a batch that is the next one to put `stamp`: of two at the same moment, one is decided again.
async fn stamping(view: &View, stamp: EntryKey) -> Result<Batch, RecordError> {
    Ok(expecting(view, stamp.clone()).await?.put(stamp, vec![]))
}

/// Checks that every resource in `records` can be read.
///
/// # Errors
/// When one cannot, or the store cannot be read.
pub(crate) async fn check_readable(records: &Records) -> Result<(), RecordError> {
    let view = records.view().await?;
    records.scan::<Group>(&view, &EntryKey::from("group/"), None, usize::MAX).await?;
    records.scan::<Factory>(&view, &EntryKey::from("factory/"), None, usize::MAX).await?;
    records.scan::<ChildRecord>(&view, &EntryKey::from("factory-child/"), None, usize::MAX).await?;
    factory::check_networks(records, &view).await?;
    factory::check_system_keys(records, &view).await?;
    factory::check_runtimes(records, &view).await?;
    factory::check_runs(records, &view).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::roles::{PrincipalType, RoleAssignment, Scope};
    use crate::clock::SystemClock;
    use crate::crypto::pool::Pool;
    use crate::directory::Tenant;
    use crate::factory::VaultClients;
    use crate::random::{self, SeededRandom};
    use crate::records::encode;
    use crate::resource_id::SubscriptionId;
    use crate::store::{DataKey, Store, StoreError};
    use crate::vault::Deps;

    use crate::management::alone::Nowhere;
    pub(super) use crate::management::alone::no_vaults;

    pub(super) fn management(clients: VaultClients) -> Management {
        let records = Records::new(Store::memory(DataKey::from_bytes(random::secret())).unwrap());
        let vaults = Vaults::new(Deps {
            records: records.clone(),
            pool: Pool::start(1, 10),
            random: Arc::new(SeededRandom::new(1)),
            backup_key: Arc::new(|| Err(StoreError::Closed)),
            parsed_keys: 10,
            observer: Arc::new(|_| ()),
        });
        let tenant = Tenant { id: Uuid::from_u128(1), subscription: SubscriptionId(Uuid::from_u128(2)) };
        let directory = Directory::new(tenant, records.clone(), Arc::new(SystemClock), 1);
        let (access, random) = (VaultAccess::new(clients), Arc::new(SeededRandom::new(1)));
        let runs = Runs::new(Arc::new(Nowhere), (Arc::new(SystemClock), Arc::new(SystemClock)), random);
        Management::new((directory, records.clone()), Authorization::new(records), vaults, (access, runs))
    }

    #[tokio::test]
    async fn a_write_counts_only_while_the_assignments_stand_that_allowed_it() {
        let management = management(no_vaults());
        let id = GroupId::parse(Uuid::from_u128(2), "shop").unwrap();
        let wanted = GroupDefinition { location: "x".to_owned(), tags: None, managed_by: None };
        let allowed_by = management.authorization.current().await.unwrap().guard;
        let assignment = RoleAssignment {
            id: Uuid::from_u128(3),
            principal: Uuid::from_u128(4),
            principal_type: PrincipalType::default(),
            role: Uuid::from_u128(5),
            scope: Scope::parse("/").unwrap(),
            condition: None,
            effective_from: 0,
            configured: false,
        };
        management.authorization.put(&assignment).await.unwrap();
        let overtaken = management.put_group(&allowed_by, &id, &wanted).await.unwrap_err();
        assert!(matches!(overtaken, Refusal::Record(RecordError::Busy)), "{overtaken:?}");
        let absent = management.group(&id).await;
        assert!(matches!(absent, Err(Refusal::NoGroup(_))), "{absent:?}");
        let decided_again = management.authorization.current().await.unwrap().guard;
        assert!(management.put_group(&decided_again, &id, &wanted).await.unwrap().1);
    }

    #[tokio::test]
    async fn groups_that_are_made_at_once_do_not_pass_the_limit() {
        let management = management(no_vaults());
        let id = |number: usize| GroupId::parse(Uuid::from_u128(2), &format!("g{number}")).unwrap();
        let group =
            |number| Group { name: format!("g{number}"), location: "x".to_owned(), tags: None, managed_by: None };
        // With the default group there is room for one.
        let put = (2..MAX_GROUPS).map(|number| (id(number).key(), encode(&group(number)).unwrap())).collect();
        management.records.commit_pieces(Batch { put, ..Batch::default() }).await.unwrap();
        let wanted = GroupDefinition { location: "x".to_owned(), tags: None, managed_by: None };
        let guard = management.authorization.current().await.unwrap().guard;
        let (first, second) = (id(0), id(1));
        let made =
            tokio::join!(management.put_group(&guard, &first, &wanted), management.put_group(&guard, &second, &wanted));
        let refused = [made.0, made.1].into_iter().filter_map(Result::err).collect::<Vec<_>>();
        assert!(matches!(refused[..], [Refusal::TooManyGroups]), "{refused:?}");
        assert_eq!(management.groups(Uuid::from_u128(2)).await.unwrap().len(), MAX_GROUPS);
        assert!(!management.put_group(&guard, &id(2), &wanted).await.unwrap().1, "what is there can be put again");
    }

    #[tokio::test]
    async fn a_node_is_served_by_the_factory_that_its_address_may_reach() {
        let management = management(no_vaults());
        let group = GroupId::parse(Uuid::from_u128(2), "keyhaven").unwrap();
        let id = FactoryId::parse(group, "acme").unwrap();
        let write = || async {
            let guard = management.authorization.current().await.unwrap().guard;
            let identity = NewIdentity { object_id: Uuid::from_u128(6), client_id: Uuid::from_u128(7) };
            let now = crate::clock::Timestamp::from_unix(0);
            FactoryWrite {
                guard,
                if_match: None,
                etag: Uuid::from_u128(8),
                identity,
                runtime: None,
                now,
                system_now: now,
            }
        };
        let put = async |access: &str| {
            let properties = serde_json::json!({"publicNetworkAccess": access}).as_object().unwrap().clone();
            let location = "x".to_owned();
            let wanted = FactoryDefinition { location, tags: None, identity: None, encryption: None, properties };
            management.put_factory(&id, &wanted, &write().await).await.unwrap();
        };
        let connect = async |status| {
            let connection = NetworkId::connection(id.clone(), "pe").unwrap();
            let state = ConnectionState::of(status, "");
            let change = ConnectionChange { endpoint: Some("/x/privateEndpoints/Shared".to_owned()), state };
            management.put_connection(&connection, &change, &write().await).await.unwrap();
        };
        let serves = async |address: &str| management.serves_node(&id, address.parse().unwrap()).await.unwrap();
        let (private, public) = ("::ffff:10.9.0.7", "203.0.113.7");
        assert!(matches!(management.serves_node(&id, private.parse().unwrap()).await, Err(Refusal::NoFactory(_))));
        put("Enabled").await;
        assert!(serves(public).await);
        put("Disabled").await;
        assert!(!serves(public).await && !serves(private).await);
        connect(ConnectionStatus::Pending).await;
        let ranges = |networks: &crate::access::network::Networks| {
            let mut networks = networks.clone();
            networks.private_endpoints.insert("shared".to_owned(), vec!["10.9.0.0/16".parse().unwrap()]);
            networks
        };
        management.authorization.replace_networks(ranges).await.unwrap();
        assert!(!serves(private).await, "it is not approved");
        connect(ConnectionStatus::Approved).await;
        assert!(serves(private).await && !serves(public).await);
        connect(ConnectionStatus::Rejected).await;
        assert!(!serves(private).await);
    }
}
