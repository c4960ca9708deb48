//! How many objects a vault holds, counted by the keys of their records: no record is read.

use super::layers::Layers;
use super::store_key::{Table, in_layer};
use super::{Kind, Refusal, Vault, Vaults};
use crate::records::View;

/// The number of keys that are held in memory at a time.
const PIECE: usize = 1000;

/// The objects of one kind in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObjectCount {
    /// The kind.
    pub kind: Kind,
    /// Objects that can be asked for.
    pub live: usize,
    /// Deleted ones that can be recovered.
    pub deleted: usize,
}

impl Vaults {
    /// The objects of `vault`, by kind.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn count_objects(&self, vault: &Vault) -> Result<Vec<ObjectCount>, Refusal> {
        self.count_in_pieces(vault, PIECE).await
    }

    /// The objects of one kind that can be asked for; `limit` when there are more.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn count_live(&self, vault: &Vault, kind: Kind, limit: usize) -> Result<usize, Refusal> {
        let view = self.records().view().await?;
        let prefix = Table::Object.prefix_of_kind(vault.layer(), kind);
        Ok(Layers::of(vault).keys(&view, &prefix, None, limit).await?.len())
    }

    /// The same, reading so many keys at a time.
    pub(super) async fn count_in_pieces(&self, vault: &Vault, piece: usize) -> Result<Vec<ObjectCount>, Refusal> {
        let view = self.records().view().await?;
        let mut counts = Vec::new();
        for kind in Kind::ALL.iter().copied() {
            let live = count(&view, vault, Table::Object, kind, piece).await?;
            let deleted = count(&view, vault, Table::Deleted, kind, piece).await?;
            counts.push(ObjectCount { kind, live, deleted });
        }
        Ok(counts)
    }
}

async fn count(view: &View, vault: &Vault, table: Table, kind: Kind, piece: usize) -> Result<usize, Refusal> {
    let (layers, prefix) = (Layers::of(vault), table.prefix_of_kind(vault.layer(), kind));
    let (mut counted, mut after) = (0, None);
    loop {
        let keys = layers.keys(view, &prefix, after.as_ref(), piece).await?;
        counted += keys.len();
        match keys.last() {
            Some((last, _)) if keys.len() == piece => after = Some(in_layer(last, vault.layer())),
            _ => return Ok(counted),
        }
    }
}
