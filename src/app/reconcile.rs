//! Applying a configuration to a running server: one that a client sends, or the server's own file when it has changed.

use super::control::{Control, failed, run_detached};
use crate::config::Config;
use crate::doors::admin::{ApplyMode, ControlError, ServerControl};
use crate::http::BoxFuture;
use crate::reconcile::{Plan, Refusal};
use crate::vault;

impl Control {
    /// Applies the configuration in `text`, as the admin API has it: certificates are PEM text.
    pub(super) fn apply_text(&self, text: &str, mode: ApplyMode) -> BoxFuture<Result<Plan, ControlError>> {
        let parsed = Config::parse_for(text, self.settings.tenant);
        let control = self.clone();
        Box::pin(async move {
            let config = parsed.map_err(|error| ControlError::Invalid(error.to_string()))?;
            run_detached(async move { control.apply_config(&config, mode).await }).await
        })
    }

    /// Plans what `config` changes, and makes the changes unless one of them is impossible or this is a dry run.
    pub(super) async fn apply_config(&self, config: &Config, mode: ApplyMode) -> Result<Plan, ControlError> {
        let _lock = self.applying.lock().await;
        let backend = &self.backend;
        let data = backend.data();
        let plan = data.plan(config, &self.settings.config, mode.prune, |alias| self.certificate_refusal(alias)).await;
        let mut plan = plan.map_err(refused)?;
        if mode.dry_run || plan.refused().next().is_some() {
            return Ok(plan);
        }
        let executed = data.execute(config, &mut plan).await;
        // Some steps may have been made before one failed.
        self.refresh_vaults().await;
        self.update_ready_files(Some(config)).await;
        executed.map_err(refused)?;
        for step in plan.changes() {
            tracing::info!(what = %step, "{}", step.action.done());
        }
        Ok(plan)
    }
}

fn refused(refusal: Refusal) -> ControlError {
    match refusal {
        Refusal::Vault(vault::Refusal::Busy) => {
            ControlError::Refused("something was changed at the same moment; apply again".to_owned())
        }
        Refusal::Vault(vault::Refusal::NeedsPremium { .. } | vault::Refusal::AliasTaken { .. })
        | Refusal::Factory(..) => ControlError::Refused(refusal.to_string()),
        Refusal::Vault(other) => failed(other),
    }
}
