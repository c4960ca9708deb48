//! Why something was not done with an integration runtime.

/// Why something was not done with an integration runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeRefusal {
    /// There is no such type of runtime.
    UnknownType(String),
    /// A runtime keeps its type.
    FixedType,
    /// This member of a definition is no text.
    NoText(&'static str),
    /// A runtime of another factory's, which is not built.
    LinkedInfo,
    /// It has no nodes and no keys: it is the service's.
    NotSelfHosted(String),
    /// There is no auth key of this name.
    KeyName(String),
    /// `autoUpdate` is neither on nor off.
    AutoUpdate(String),
    /// The time of day for updates is none.
    UpdateDelay(String),
}
