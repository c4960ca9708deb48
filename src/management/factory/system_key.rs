//! The system key of a factory: made when the first secret is kept, and renewed by the vault clock before its certificate expires, when
//! it is used next. All secrets are moved then, piece by piece, without the customer's vault.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::child::ChildRecord;
use super::id::{ChildId, FactoryId};
use super::kind::ChildKind;
use super::sealed_secret::associated_data;
use super::{Management, PIECE, expecting};
use crate::clock::Timestamp;
use crate::crypto::base64url;
use crate::factory::{self, SystemKey, SystemLayer};
use crate::management::refusal::Refusal;
use crate::records::{Change, RecordError, View, encode};
use crate::store::{Batch, EntryKey, Revision};

/// How often a key is opened anew, because another write has changed the keys meanwhile.
const ATTEMPTS: usize = 8;

/// The system keys of a factory, the newest last; there are two only during a renewal. They lie apart, and no cache keeps them.
/// Deliberately no `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
struct SystemKeys {
    keys: Vec<HeldKey>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldKey {
    key: SystemKey,
    /// The private key of its certificate: PKCS #8 in base64url. The store seals it.
    private_key: Zeroizing<String>,
}

impl Management {
    /// What new secrets of a factory are sealed under at `now`, and the revision of its system keys.
    ///
    /// # Errors
    /// When there is no such factory; when a key cannot be made or read.
    pub(super) async fn system_layer(
        &self,
        id: &FactoryId,
        now: Timestamp,
    ) -> Result<(SystemLayer, Revision), Refusal> {
        for _ in 0..ATTEMPTS {
            let view = self.records.view().await?;
            let (keys, revision) = self.system_keys(&view, id).await?;
            if keys.wants_new(now) {
                self.add_system_key(id, now).await?;
                continue;
            }
            let mut layers = opened(keys).await?;
            match (layers.pop(), layers.is_empty()) {
                (Some(newest), true) => return Ok((newest, revision)),
                (Some(newest), false) => self.move_piece(id, revision, (&newest, &layers)).await?,
                (None, _) => {}
            }
        }
        Err(RecordError::Busy.into())
    }

    /// Every system key of a factory, opened.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(super) async fn system_layers(&self, view: &View, id: &FactoryId) -> Result<Vec<SystemLayer>, Refusal> {
        opened(self.system_keys(view, id).await?.0).await
    }

    /// Adds a system key, unless another write has done so meanwhile.
    async fn add_system_key(&self, id: &FactoryId, now: Timestamp) -> Result<(), Refusal> {
        let name = id.name().to_owned();
        let (key, private) = blocking(move || SystemKey::generate(&name, now)).await?;
        let held = &HeldKey { key, private_key: Zeroizing::new(base64url::encode(&private)) };
        let adding = |view: View| async move {
            let factory = self.factory_revision(&view, id).await?;
            let (mut keys, revision) = self.system_keys(&view, id).await?;
            if !keys.wants_new(now) {
                return Ok(Change { batch: Batch::default(), answer: () });
            }
            keys.keys.push(held.clone());
            let batch = Batch::default().expect(id.key(), factory).expect(id.system_keys_key(), revision);
            Ok::<_, Refusal>(Change { batch: batch.put(id.system_keys_key(), encode(&keys)?), answer: () })
        };
        self.records.update(adding).await
    }

    /// Moves some secrets under the newest system key; drops the others when none is under them.
    async fn move_piece(
        &self,
        id: &FactoryId,
        revision: Revision,
        (newest, old): (&SystemLayer, &[SystemLayer]),
    ) -> Result<(), Refusal> {
        let moving = |view: View| async move {
            let (mut keys, current) = self.system_keys(&view, id).await?;
            if current != revision {
                return Ok(Change { batch: Batch::default(), answer: true });
            }
            let batch = expecting(&view, id.contents_stamp()).await?.expect(id.system_keys_key(), revision);
            let (moved, count) = self.moved(&view, id, (newest, old)).await?;
            if count > 0 {
                return Ok(Change { batch: batch.and(moved), answer: false });
            }
            keys.keys.drain(..keys.keys.len() - 1);
            Ok::<_, Refusal>(Change { batch: batch.put(id.system_keys_key(), encode(&keys)?), answer: true })
        };
        while !self.records.update(moving).await? {}
        Ok(())
    }

    /// What a commit must do so that a piece of the secrets is under the newest system key, and how many records that are.
    async fn moved(
        &self,
        view: &View,
        id: &FactoryId,
        (newest, old): (&SystemLayer, &[SystemLayer]),
    ) -> Result<(Batch, usize), Refusal> {
        let (mut batch, mut count) = (Batch::default(), 0);
        for kind in ChildKind::ALL {
            let all = self.records.scan::<ChildRecord>(view, &ChildId::keys_of(id, kind), None, usize::MAX).await?;
            for record in all.iter().filter(|record| record.secrets.values().any(|one| !newest.is_around(one))) {
                let Ok(child) = ChildId::parse(id.clone(), kind, &record.name) else { continue };
                let revision = view.revision_of(&child.key()).await.map_err(RecordError::from)?.unwrap_or(0);
                let moved = record.moved(&child, (newest, old)).map_err(Refusal::Sealing)?;
                batch = batch.expect(child.key(), revision).put(child.key(), encode(&moved)?);
                count += 1;
                if count == PIECE {
                    return Ok((batch, count));
                }
            }
        }
        Ok((batch, count))
    }

    async fn system_keys(&self, view: &View, id: &FactoryId) -> Result<(SystemKeys, Revision), RecordError> {
        let key = id.system_keys_key();
        match view.revision_of(&key).await? {
            None => Ok((SystemKeys::default(), 0)),
            Some(revision) => Ok((read(&key, &self.records.bytes(view, &key).await?)?, revision)),
        }
    }
}

impl SystemKeys {
    /// Whether there is none, or the newest is to be renewed.
    fn wants_new(&self, now: Timestamp) -> bool {
        self.keys.last().is_none_or(|held| held.key.is_due(now))
    }
}

impl ChildRecord {
    /// The record with its secrets under the newest system key.
    fn moved(&self, id: &ChildId, (newest, old): (&SystemLayer, &[SystemLayer])) -> Result<Self, factory::Refusal> {
        let mut moved = self.clone();
        for (place, sealed) in &mut moved.secrets {
            if let Some(from) = old.iter().find(|layer| layer.is_around(sealed)) {
                *sealed = newest.resealed(&associated_data(id, place), sealed, from)?;
            }
        }
        Ok(moved)
    }
}

/// Opens every key, in their order.
async fn opened(keys: SystemKeys) -> Result<Vec<SystemLayer>, Refusal> {
    let open = |held: &HeldKey| {
        let private = base64url::decode(&held.private_key).map(Zeroizing::new).unwrap_or_default();
        held.key.open(&private)
    };
    blocking(move || keys.keys.iter().map(open).collect()).await
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, factory::Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let interrupted = |error: tokio::task::JoinError| Refusal::Interrupted(error.to_string());
    tokio::task::spawn_blocking(work).await.map_err(interrupted)?.map_err(Refusal::Sealing)
}

/// Checks that the system keys in `records` can be read.
pub(crate) async fn check_system_keys(records: &crate::records::Records, view: &View) -> Result<(), RecordError> {
    for (key, _) in view.keys(&EntryKey::from("factory-system-keys/"), None, usize::MAX).await? {
        read(&key, &records.bytes(view, &key).await?)?;
    }
    Ok(())
}

fn read(key: &EntryKey, bytes: &[u8]) -> Result<SystemKeys, RecordError> {
    serde_json::from_slice(bytes).map_err(|_| RecordError::Damaged {
        record: String::from_utf8_lossy(key.as_bytes()).into_owned(),
        why: "the system keys of a factory cannot be read".to_owned(),
    })
}
