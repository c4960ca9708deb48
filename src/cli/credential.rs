//! The `--credential` option: the credential that programs find in their environment.

use clap::ValueEnum;

use crate::directory::CredentialKind;

/// What a program signs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Credential {
    /// As on App Service: IDENTITY_ENDPOINT and IDENTITY_HEADER
    ManagedIdentity,
    /// As on AKS: AZURE_FEDERATED_TOKEN_FILE
    WorkloadIdentity,
    /// As in CI: AZURE_CLIENT_SECRET
    ClientSecret,
    /// As in CI: AZURE_CLIENT_CERTIFICATE_PATH
    ClientCertificate,
}

impl Credential {
    /// The kind of credential that replaces the managed identity's variables; none for the managed identity itself.
    pub(super) const fn kind(self) -> Option<CredentialKind> {
        match self {
            Self::ManagedIdentity => None,
            Self::WorkloadIdentity => Some(CredentialKind::WorkloadIdentity),
            Self::ClientSecret => Some(CredentialKind::ClientSecret),
            Self::ClientCertificate => Some(CredentialKind::ClientCertificate),
        }
    }
}
