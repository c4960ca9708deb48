//! What is done is marked, in batches: one commit for all that was done within a moment.

use std::time::Duration;

use tokio::time::Instant;

use super::{AFTER_FAILURE, Worker};

/// How long what is done may stay unmarked.
const MARK_AFTER: Duration = Duration::from_millis(250);

impl Worker {
    pub(super) fn mark_soon(&mut self) {
        self.mark_at = Some(self.mark_at.unwrap_or_else(|| Instant::now() + MARK_AFTER));
    }

    /// Writes the dead letters, then marks what is done: what is marked is never told again.
    pub(super) async fn mark(&mut self) {
        self.mark_at = match self.marked().await {
            Ok(()) => None,
            Err(why) => {
                tracing::error!(why, "what a webhook was told could not be remembered");
                self.marks_from = Instant::now() + AFTER_FAILURE;
                Some(self.marks_from)
            }
        };
    }

    async fn marked(&mut self) -> Result<(), String> {
        if !self.letters.is_empty() {
            let (dead, letters) = (self.tools.dead.clone(), self.letters.clone());
            let written = tokio::task::spawn_blocking(move || dead.write(&letters)).await;
            written.map_err(|error| error.to_string())?.map_err(|error| format!("dead-letters.jsonl: {error}"))?;
            self.letters.clear();
        }
        let done = self.hook.with(|state| state.done.clone());
        if !done.is_empty() {
            self.tools.ledger.mark(self.hook.id, &done).await.map_err(|error| error.to_string())?;
            self.hook.with(|state| state.done.retain(|number, id| done.get(number) != Some(id)));
        }
        Ok(())
    }
}
