//! A file that says what is to be: which form it has, and the resources in it.

use std::ops::Deref;

use serde_json::Value;
use zeroize::Zeroizing;

use super::facts::Resource;
use super::{arm, secrets, terraform};
use crate::clock::Timestamp;

/// The JSON of a file, without values of secrets that rules do not look at. What else it has is overwritten at its end.
pub(crate) struct Parsed(Value);

impl Deref for Parsed {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Drop for Parsed {
    fn drop(&mut self) {
        secrets::erase(&mut self.0);
    }
}

/// Parses JSON with comments.
///
/// # Errors
/// Where it is none.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let json = without_comments(text);
    let mut parsed = Parsed(serde_json::from_slice(&json).map_err(|error| format!("no JSON: {error}"))?);
    secrets::take_out(&mut parsed.0);
    Ok(parsed)
}

/// The resources of an ARM template or of a Terraform plan; `parameters` is the file of a template's.
///
/// # Errors
/// What of the files is wrong.
pub(crate) fn resources(file: &Value, parameters: Option<&Value>, now: Timestamp) -> Result<Vec<Resource>, String> {
    if arm::is_template(file) {
        return arm::resources(file, parameters, now);
    }
    match (terraform::is_plan(file), parameters) {
        (true, None) => Ok(terraform::resources(file, now)),
        (true, Some(_)) => Err("--parameters is for ARM templates, and this is a Terraform plan".to_owned()),
        (false, _) => {
            Err("neither an ARM template (JSON with contentVersion and resources) nor what `terraform show -json \
                           PLAN` prints"
                .to_owned())
        }
    }
}

/// `text` with blanks in the place of comments and trailing commas, each line as long as before.
pub(super) fn without_comments(text: &str) -> Zeroizing<Vec<u8>> {
    let text = text.trim_start_matches('\u{feff}');
    let mut json = Zeroizing::new(text.as_bytes().to_vec());
    // Fails at a slash that begins no comment: the parser then says where it is.
    if json_strip_comments::strip_slice(&mut json).is_err() {
        json.copy_from_slice(text.as_bytes());
    }
    for (stripped, _) in json.iter_mut().zip(text.bytes()).filter(|(_, given)| *given == b'\n') {
        *stripped = b'\n';
    }
    json
}
