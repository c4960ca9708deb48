//! This process's own environment variables. No other file of the server reads them, except clap for options.

use std::ffi::OsString;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::environment::FormerVariables;
use crate::app::Variables;

/// All variables. Values that are not UTF-8 are converted lossily: their names matter for removal.
pub(super) fn all() -> Variables {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned()));
    std::env::vars_os().filter_map(text).collect()
}

/// The user's own variables: all, as they were before `keyhaven env` changed them in this shell.
pub(super) fn own() -> Variables {
    let all = all();
    FormerVariables::of(&all).before(&all)
}

/// The value of `name`.
pub(super) fn text(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().map(Zeroizing::new)
}

/// The value of `name`; an empty one counts as unset.
pub(super) fn non_empty(name: &str) -> Option<Zeroizing<String>> {
    text(name).filter(|value| !value.is_empty())
}

/// The path in `name`; an empty one counts as unset.
pub(super) fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
