//! The name that a refused request asked for, and that is not here.

use std::fmt;

use super::Printable;
use crate::http::Response;

/// A host or an identity, as the client wrote it. It is from outside, so only its printable form is kept, of bounded length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedFor(String);

impl AskedFor {
    pub(crate) fn new(name: &str) -> Self {
        Self(Printable(name).to_string())
    }

    /// Leaves this name among the extensions of `answer`, where [`super::Trail::finish`] finds it.
    pub(crate) fn attach(self, mut answer: Response) -> Response {
        answer.extensions_mut().insert(self);
        answer
    }
}

impl fmt::Display for AskedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
