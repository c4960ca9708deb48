//! The largest batch that a store takes, chosen so that a clustered engine takes it too.

/// The most expectations of a batch, and the most changes (puts and deletions together): what etcd takes in a transaction
/// unless it is configured otherwise.
pub(crate) const MAX_OPERATIONS: usize = 128;
/// The most bytes of keys and values in a batch: below the 1.5 MiB that etcd takes in a request, with room for what
/// sealing and framing add.
pub(crate) const MAX_BATCH_BYTES: usize = 1_280 * 1024;

/// The changes in a piece of a larger change: [`MAX_OPERATIONS`], less what is added to it on its way to the store.
pub(crate) const PIECE_OPERATIONS: usize = MAX_OPERATIONS - 8;
/// The bytes in a piece of a larger change: [`MAX_BATCH_BYTES`], less what is added to it on its way to the store.
pub(crate) const PIECE_BYTES: usize = MAX_BATCH_BYTES - 32 * 1024;
