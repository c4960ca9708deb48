//! Follows the configuration's file: applies it when it has changed. A file that cannot be read or applied changes nothing,
//! and the log says why, once for each content.

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

/// Logs what the configuration asks for or no longer names, and what was left as it is.
fn log_leftovers(plan: &Plan) {
    for step in plan.steps.iter().filter(|step| matches!(step.action, Action::Restart | Action::Unnamed)) {
        tracing::warn!(what = step.subject(), "{}", step.action.done());
    }
}

async fn apply(control: &Control, file: &ConfigFile) {
    let file = file.clone();
    let why = match spawn_blocking(move || file.read()).await {
        Err(error) => error.to_string(),
        Ok(Err(why)) => why,
        Ok(Ok(config)) => match control.apply_config(&config, ApplyMode::default()).await {
            Ok(plan) => match plan.refused().map(ToString::to_string).collect::<Vec<_>>() {
                refused if refused.is_empty() => return log_leftovers(&plan),
                refused => refused.join("; "),
            },
            Err(ControlError::Refused(why) | ControlError::Invalid(why)) => why,
            Err(ControlError::Failed(error)) => error.to_string(),
        },
    };
    tracing::warn!(why, "the configuration has changed and was not applied; the former one stays");
}
