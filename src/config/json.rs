//! Parsing of JSON whose errors name the member and not its value.

use serde::de::DeserializeOwned;

use super::error::ConfigError;

/// Parses the JSON `text` as a `T`.
///
/// # Errors
/// The first invalid member, with its path and without its value.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, ConfigError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| error_at(&error.path().to_string(), without_value(&error.inner().to_string())))?;
    reader.end().map_err(|error| error_at(".", error.to_string()))?;
    Ok(value)
}

fn error_at(path: &str, why: String) -> ConfigError {
    ConfigError { path: path.to_owned(), why }
}

/// Removes the value from a parser's message: it can be a secret of the wrong type.
fn without_value(why: &str) -> String {
    let shown = why.strip_prefix("invalid type: ").and_then(|rest| rest.split_once(", expected "));
    match shown {
        Some((given, expected)) => {
            let kind = given.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("invalid type: {kind}, expected {expected}")
        }
        None => why.to_owned(),
    }
}
