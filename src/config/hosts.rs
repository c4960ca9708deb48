//! Host names in a configuration.

use super::error::{ConfigError, invalid};
use crate::http::authority::Authority;

/// Parses host names without port; returns them in lower case.
pub(super) fn hosts(path: &str, given: &[String]) -> Result<Vec<String>, ConfigError> {
    let host = |text: &String| Authority::parse(text).filter(|host| host.port().is_none() && host.address().is_none());
    let parse = |(index, text)| {
        let host =
            host(text).ok_or_else(|| invalid(format!("{path}[{index}]"), "must be a host name without a port"))?;
        Ok(host.host().to_owned())
    };
    given.iter().enumerate().map(parse).collect()
}
