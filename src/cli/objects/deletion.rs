//! Objects are deleted, recovered and purged in the same way, whatever their kind.

use serde_json::{Value, json};

use super::{Kind, VaultArgs};
use crate::cli::Failure;
use crate::cli::columns::moment;

impl VaultArgs {
    /// Deletes an object, and says how it is recovered.
    pub(crate) async fn delete(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        let vault = self.connect().await?;
        let answer = vault
            .ask_for((kind, name), move |vault, object| match kind {
                Kind::Secret => vault.delete_secret(object),
                Kind::Key => vault.delete_key(object),
            })
            .await?;
        self.client.print(
            &answer,
            &format!("deleted {name} from vault {}; {}", vault.name(), self.what_now(kind, name, &answer)),
        );
        Ok(())
    }

    fn what_now(&self, kind: Kind, name: &str, answer: &Value) -> String {
        if answer["recoveryId"].is_null() {
            return "it is gone for good, because the vault has no soft delete".to_owned();
        }
        let (word, options) = (kind.singular(), self.as_written());
        let end = moment(&answer["scheduledPurgeDate"]);
        format!("it can be recovered until {end}: keyhaven {word} recover {name}{options}")
    }

    /// Recovers a deleted object.
    pub(crate) async fn recover(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        let (vault, object) = (self.connect().await?, name.to_owned());
        let answer = vault
            .ask(move |vault| match kind {
                Kind::Secret => vault.recover_secret(&object),
                Kind::Key => vault.recover_key(&object).map(|key| key.json().clone()),
            })
            .await?;
        self.client.print(&answer, &format!("recovered {name} in vault {}", vault.name()));
        Ok(())
    }

    /// Removes a deleted object for good.
    pub(crate) async fn purge(&self, kind: Kind, name: &str) -> Result<(), Failure> {
        let (vault, object) = (self.connect().await?, name.to_owned());
        vault
            .ask(move |vault| match kind {
                Kind::Secret => vault.purge_secret(&object),
                Kind::Key => vault.purge_key(&object),
            })
            .await?;
        self.client.print(
            &json!({"purged": name}),
            &format!("purged {name} from vault {}: it is gone for good", vault.name()),
        );
        Ok(())
    }
}
