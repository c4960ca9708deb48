//! One secret of a definition, as it lies under the factory's system key, and under the customer's key if there is one.

use zeroize::Zeroizing;

use super::id::ChildId;
use crate::factory::{self, DataKey, Place, Sealed, SystemLayer};

/// What binds a sealed secret to its place.
pub(super) fn associated_data(id: &ChildId, place: &Place) -> String {
    format!("{}{}", id.associated_data(), place.as_str())
}

/// Opens a secret of the definition `id`. Answers which of the system keys it is under, too.
///
/// # Errors
/// When it does not open with these keys.
pub(super) fn open_secret<'l>(
    id: &ChildId,
    (place, sealed): (&Place, &Sealed),
    (layers, data_key): (&'l [SystemLayer], Option<&DataKey>),
) -> Result<(&'l SystemLayer, Zeroizing<Vec<u8>>), factory::Refusal> {
    let damaged = || factory::Refusal::Damaged(format!("the credential at {}", place.as_str()));
    let layer = layers.iter().find(|layer| layer.is_around(sealed)).ok_or_else(damaged)?;
    Ok((layer, layer.open(data_key, &associated_data(id, place), sealed)?))
}
