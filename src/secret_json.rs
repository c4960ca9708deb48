//! JSON that may hold secrets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroize;

/// JSON that may hold secrets: its texts are wiped when it is dropped, and `Debug` does not show it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretJson(pub Value);

impl SecretJson {
    /// The value, out of what would wipe it.
    pub(crate) fn take(&mut self) -> Value {
        self.0.take()
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        _ => {}
    }
}
