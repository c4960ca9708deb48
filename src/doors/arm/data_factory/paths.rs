//! Paths and actions of operations, as constants: what is common to all of factories and of what is in them.

/// The path of a factory, and what follows it.
macro_rules! factory_path {
    ($($rest:literal),*) => {
        concat!(
            "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.DataFactory/factories/",
            "{factoryName}",
            $($rest),*
        )
    };
}

/// An action, in the spelling of the provider's list of operations.
macro_rules! action {
    ($($rest:literal),+) => {
        concat!("Microsoft.DataFactory/factories/", $($rest),+)
    };
}

pub(super) use {action, factory_path};
