//! Writes a worker's progress to the store in batches: dead letters to their file, then the marks of handled events.

use std::time::Duration;

use tokio::time::Instant;

use super::{STORE_RETRY, Worker};

/// How long a handled event may stay unmarked.
const FLUSH_AFTER: Duration = Duration::from_millis(250);

impl Worker {
    pub(super) fn flush_soon(&mut self) {
        self.flush_at = Some(self.flush_at.unwrap_or_else(|| Instant::now() + FLUSH_AFTER));
    }

    /// Writes the dead letters, then marks the handled events: an event that is marked is never sent again.
    pub(super) async fn flush(&mut self) {
        self.flush_at = match self.try_flush().await {
            Ok(()) => None,
            Err(why) => {
                tracing::error!(why, "the events that a webhook has handled could not be marked");
                self.flush_not_before = Instant::now() + STORE_RETRY;
                Some(self.flush_not_before)
            }
        };
    }

    async fn try_flush(&mut self) -> Result<(), String> {
        if !self.dead_letters.is_empty() {
            let (file, lines) = (self.deps.dead_letters.clone(), self.dead_letters.clone());
            let written = tokio::task::spawn_blocking(move || file.write(&lines)).await;
            written.map_err(|error| error.to_string())?.map_err(|error| format!("dead-letters.jsonl: {error}"))?;
            self.dead_letters.clear();
        }
        let handled = self.hook.with(|state| state.handled.clone());
        if !handled.is_empty() {
            self.deps.ledger.mark_handled(self.hook.id, &handled).await.map_err(|error| error.to_string())?;
            self.hook.with(|state| state.handled.retain(|number, id| handled.get(number) != Some(id)));
        }
        Ok(())
    }
}
