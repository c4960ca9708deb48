//! Why a node does not run, or runs no more.

use std::fmt;
use std::path::PathBuf;

/// Why a node does not run, or runs no more.
#[derive(Debug)]
pub(crate) enum NodeError {
    /// A file or directory could not be used.
    File(PathBuf, std::io::Error),
    /// Another program uses the home.
    HomeInUse(PathBuf),
    /// What lies in the home is not a node's, or of another machine.
    Damaged(PathBuf),
    /// It is not registered, and no auth key was given.
    NotRegistered(PathBuf),
    /// A text is no auth key.
    NoAuthKey,
    /// A certificate or its key cannot be used.
    Certificate(String),
    /// The service refused it: status, code and text.
    Refused(String),
    /// The node was removed from its runtime.
    Removed,
    /// Keys could not be made.
    Keys(String),
    /// No credential can be called so.
    CredentialId,
    /// A credential is not encrypted for this node, or not by this id.
    CredentialUnreadable,
    /// The node keeps as many credentials as it can.
    TooManyCredentials(usize, usize),
    /// There is a credential of this id, and the one who brings another may not replace it.
    CredentialExists,
    /// The key that another node would have its credentials encrypted for is none.
    ReaderKey,
    /// The listener could not be opened.
    Listen(std::net::SocketAddr, std::io::Error),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "{}: {error}", path.display()),
            Self::HomeInUse(home) => {
                write!(f, "another node runs with the home {}: give another --home", home.display())
            }
            Self::Damaged(path) => write!(
                f,
                "{} is damaged, or was sealed on another machine: remove the node from its integration runtime and register it with \
                 an empty --home",
                path.display()
            ),
            Self::NotRegistered(home) => {
                write!(f, "no node is registered in {}: give --auth-key-file FILE the first time", home.display())
            }
            Self::NoAuthKey => f.write_str(
                "the file of --auth-key-file holds no authentication key of an integration runtime (IR@…@…@ServiceEndpoint=…@…)",
            ),
            Self::Certificate(why) => write!(f, "the certificate cannot be used: {why}"),
            Self::Refused(why) => write!(f, "the node was refused: {why}"),
            Self::Removed => f.write_str(
                "the node was removed from its integration runtime; to register it again give --auth-key-file FILE",
            ),
            Self::Keys(why) => write!(f, "keys of the node could not be made: {why}"),
            Self::CredentialId => f.write_str("the id of the credential is empty, too long, or no such thing"),
            Self::CredentialUnreadable => f.write_str("the credential is not encrypted for this node and this id"),
            Self::TooManyCredentials(most, bytes) => {
                write!(f, "a node keeps at most {most} credentials and {} MiB of them", bytes / 1024 / 1024)
            }
            Self::CredentialExists => f.write_str("the node has a credential of this id already"),
            Self::ReaderKey => f.write_str("the key of the node that asks for the credentials is none"),
            Self::Listen(address, error) => write!(f, "--listen {address}: {error}"),
        }
    }
}

impl std::error::Error for NodeError {}
