//! Taking away what belongs to nothing that counts any more, a piece at a time: what a deleted vault held, and the
//! generations of before. A record says what is left to do, so that a restart goes on with it.

use uuid::Uuid;

use super::{Refusal, Vaults};
use crate::records::{Change, View};
use crate::store::{Batch, Key};

/// Records that one commit takes away.
const AT_ONCE: usize = 1000;

/// Where things of a vault lie.
const PLACES: [&str; 4] = ["object", "deleted", "version", "material"];

/// The record that says that what the vault `id` held is to be taken away.
pub(super) fn place(id: Uuid) -> Key {
    Key::from(format!("sweep/{}", id.simple()))
}

impl Vaults {
    /// Takes away what belongs to nothing that counts any more; answers how many records that were.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn sweep(&self) -> Result<usize, Refusal> {
        let mut swept = self.records().sweep().await?;
        loop {
            let view = self.records().view().await?;
            let Some(id) = self.records().scan::<Uuid>(&view, &Key::from("sweep/"), None, 1).await?.first().cloned()
            else {
                return Ok(swept);
            };
            drop(view);
            swept += self.sweep_vault(*id).await?;
        }
    }

    async fn sweep_vault(&self, id: Uuid) -> Result<usize, Refusal> {
        let mut swept = 0;
        loop {
            let taken = self.records().update(|view: View| async move { sweeping(&view, id).await }).await?;
            swept += taken;
            if taken == 0 {
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Takes some of it away, and in the end the record that says so.
async fn sweeping(view: &View, id: Uuid) -> Result<Change<usize>, Refusal> {
    for start in PLACES {
        let prefix = Key::from(format!("{start}/{}/", id.simple()));
        let found = view.keys(&prefix, None, AT_ONCE).await?;
        if !found.is_empty() {
            let delete: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
            let answer = delete.len();
            return Ok(Change { batch: Batch { delete, ..Batch::default() }, answer });
        }
    }
    Ok(Change { batch: Batch::default().delete(place(id)), answer: 0 })
}
