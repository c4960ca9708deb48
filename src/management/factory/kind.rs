//! The kinds of what a factory holds.

/// A kind of what is in a factory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildKind {
    /// How a data store or a vault is reached.
    LinkedService,
    /// Data of a linked service.
    Dataset,
    /// Activities.
    Pipeline,
    /// A transformation of data.
    DataFlow,
    /// What starts a pipeline.
    Trigger,
    /// The one virtual network of a factory.
    ManagedVirtualNetwork,
    /// What activities run on.
    IntegrationRuntime,
    /// As whom a linked service signs in.
    Credential,
}

impl ChildKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 8] = [
        Self::LinkedService,
        Self::Dataset,
        Self::Pipeline,
        Self::DataFlow,
        Self::Trigger,
        Self::ManagedVirtualNetwork,
        Self::IntegrationRuntime,
        Self::Credential,
    ];

    /// The segment of ids, in the service's spelling.
    pub(crate) const fn segment(self) -> &'static str {
        match self {
            Self::LinkedService => "linkedservices",
            Self::Dataset => "datasets",
            Self::Pipeline => "pipelines",
            Self::DataFlow => "dataflows",
            Self::Trigger => "triggers",
            Self::ManagedVirtualNetwork => "managedVirtualNetworks",
            Self::IntegrationRuntime => "integrationruntimes",
            Self::Credential => "credentials",
        }
    }

    /// The type of a reference to one.
    pub(super) const fn reference(self) -> &'static str {
        match self {
            Self::LinkedService => "LinkedServiceReference",
            Self::Dataset => "DatasetReference",
            Self::Pipeline => "PipelineReference",
            Self::DataFlow => "DataFlowReference",
            Self::Trigger => "TriggerReference",
            Self::ManagedVirtualNetwork => "ManagedVirtualNetworkReference",
            Self::IntegrationRuntime => "IntegrationRuntimeReference",
            Self::Credential => "CredentialReference",
        }
    }

    /// Whether its definitions name a type.
    pub(super) const fn has_type(self) -> bool {
        !matches!(self, Self::Pipeline | Self::ManagedVirtualNetwork)
    }
}
