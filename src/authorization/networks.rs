//! The virtual networks, perimeters and private endpoints of the tenant. Their record is one of its own: a role assignment that is
//! made must not have the writes of vaults with a firewall decided again, nor a network those of vaults with roles.

use std::sync::Arc;

use super::Authorization;
use crate::access::network::Networks;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey, Revision};

/// The most virtual networks, perimeters and private endpoints, of each, and the most vaults of a perimeter.
pub(crate) const MAX_NAMED: usize = 200;
/// The most ranges and vaults of all of these together: they fit into one record.
pub(crate) const MAX_RANGES: usize = 10_000;
/// The longest name, in bytes; ids of subnets have about 250.
pub(crate) const MAX_NAME_BYTES: usize = 500;
/// The key of the record.
const KEY: &str = "networks";

/// What the network rules of vaults refer to, with the guard that it has not changed since.
#[derive(Clone, Debug)]
pub(crate) struct GuardedNetworks {
    /// The networks.
    pub networks: Arc<Networks>,
    /// The record's key and revision; 0 where there is no record.
    pub guard: (EntryKey, Revision),
}

impl Authorization {
    /// The present networks.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn networks(&self) -> Result<GuardedNetworks, RecordError> {
        let view = self.records.view().await?;
        self.networks_in(&view).await
    }

    /// Replaces the networks by what `decide` makes of them; writes nothing when that is the same.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn replace_networks(
        &self,
        decide: impl Fn(&Networks) -> Networks + Sync,
    ) -> Result<(), RecordError> {
        let decide = &decide;
        let replacing = |view: View| async move {
            let GuardedNetworks { networks, guard: (key, revision) } = self.networks_in(&view).await?;
            let next = decide(&networks);
            let batch = match next == *networks {
                true => Batch::default(),
                false => Batch::default().expect(key.clone(), revision).put(key, encode(&next)?),
            };
            Ok::<_, RecordError>(Change { batch, answer: () })
        };
        self.records.update(replacing).await
    }

    async fn networks_in(&self, view: &View) -> Result<GuardedNetworks, RecordError> {
        let key = EntryKey::from(KEY);
        let (networks, revision) = self.records.entry::<Networks>(view, &key).await?.unwrap_or_default();
        Ok(GuardedNetworks { networks, guard: (key, revision) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::network::{AddressRange, Perimeter};
    use crate::random;
    use crate::records::Records;
    use crate::store::{DataKey, Store};

    /// As many as there may be, each as long as it may be.
    fn largest() -> Networks {
        let range: AddressRange = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
        let name = |number: usize| format!("{number:0>MAX_NAME_BYTES$}");
        let ranges = |number| vec![range; if number == 0 { MAX_RANGES } else { 0 }];
        Networks {
            virtual_networks: (0..MAX_NAMED).map(|number| (name(number), ranges(number))).collect(),
            perimeters: (0..MAX_NAMED).map(|number| (name(number), Perimeter::default())).collect(),
            private_endpoints: (0..MAX_NAMED).map(|number| (name(number), vec![])).collect(),
        }
    }

    #[tokio::test]
    async fn networks_are_replaced_and_as_many_as_there_may_be_fit_into_the_record() {
        let records = Records::new(Store::memory(DataKey::from_bytes(random::secret())).unwrap());
        let authorization = Authorization::new(records);
        assert_eq!(authorization.networks().await.unwrap().guard.1, 0, "there is no record yet");
        authorization.replace_networks(|_| Networks::default()).await.unwrap();
        assert_eq!(authorization.networks().await.unwrap().guard.1, 0, "nothing is written for nothing");
        authorization.replace_networks(|_| largest()).await.unwrap();
        let written = authorization.networks().await.unwrap();
        assert_eq!(*written.networks, largest());
        authorization.replace_networks(|_| largest()).await.unwrap();
        assert_eq!(authorization.networks().await.unwrap().guard, written.guard);
    }
}
