//! Follows the configuration's file: applies it when it has changed. A file that cannot be read or applied changes nothing,
//! and the log says why, once for each content, and when it is good again.

use std::time::Duration;

use tokio::task::spawn_blocking;

use super::control::Control;
use crate::config::{ConfigFile, FileStamp};
use crate::doors::admin::{ApplyMode, ControlError};
use crate::reconcile::{Action, Plan};

/// The pause between two looks at the file. Without a library for notifications: these miss changes on network file systems
/// and below links, such as Kubernetes' volumes.
const PAUSE: Duration = Duration::from_millis(500);

/// Applies `file` whenever it has changed and then stayed the same between two looks: a file that is being written is not read.
pub(super) async fn follow(control: Control, file: ConfigFile) {
    let (mut applied, mut seen) = (file.first_stamp(), None);
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = stamp(&file).await;
        if now != applied && now == seen {
            apply(&control, &file).await;
            applied.clone_from(&now);
        }
        seen = now;
    }
}

/// The file's stamp, read on a thread that may block.
async fn stamp(file: &ConfigFile) -> Option<FileStamp> {
    let file = file.clone();
    spawn_blocking(move || file.stamp()).await.ok()?
}

/// Applies the file, and logs what became of it.
async fn apply(control: &Control, file: &ConfigFile) {
    match plan_of(control, file).await {
        Ok(plan) => {
            log_leftovers(&plan);
            if control.config_file_state.set(None) {
                let change = if plan.changes().next().is_some() { "applied" } else { "nothing to change" };
                tracing::info!(change, "the configuration is good again");
            }
        }
        Err(why) => {
            tracing::warn!(why, "the configuration has changed and was not applied; the former one stays");
            control.config_file_state.set(Some(why));
        }
    }
}

/// What was done for the file, or why nothing was.
async fn plan_of(control: &Control, file: &ConfigFile) -> Result<Plan, String> {
    let file = file.clone();
    let config = spawn_blocking(move || file.read()).await.map_err(|error| error.to_string())??;
    let plan = control.apply_config(&config, ApplyMode::default()).await.map_err(|error| match error {
        ControlError::Refused(why) | ControlError::Invalid(why) => why,
        ControlError::Failed(error) => error.to_string(),
    })?;
    match plan.refused().map(ToString::to_string).collect::<Vec<_>>() {
        refused if refused.is_empty() => Ok(plan),
        refused => Err(refused.join("; ")),
    }
}

/// Logs what the configuration asks for or no longer names, and what was left as it is.
fn log_leftovers(plan: &Plan) {
    let is_left = |action| matches!(action, Action::Restart | Action::Unnamed | Action::Note);
    for step in plan.steps.iter().filter(|step| is_left(step.action)) {
        match step.action {
            Action::Note => tracing::warn!(what = %step, "{}", step.action.done()),
            _ => tracing::warn!(what = step.subject(), "{}", step.action.done()),
        }
    }
}
