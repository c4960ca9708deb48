//! Why a server did not start.

use std::error::Error;
use std::fmt;

use crate::records::RecordError;
use crate::tasks::ClockError;
use crate::vault::Refusal;

/// Why a server did not start, in one line for the user; [`Error::source`] has the cause of the cause.
#[derive(Debug)]
pub struct StartError(Box<dyn Error + Send + Sync>);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl StartError {
    /// The error with this cause or text.
    pub(crate) fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// The cause itself.
    pub(crate) fn into_cause(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl From<Refusal> for StartError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal)
    }
}

impl From<RecordError> for StartError {
    fn from(error: RecordError) -> Self {
        Self::new(error)
    }
}

impl From<ClockError> for StartError {
    fn from(error: ClockError) -> Self {
        Self::new(error)
    }
}
