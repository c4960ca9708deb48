//! What helps to write a configuration: its JSON schema, and an example. The schema is written by hand; its tests hold it
//! equal to what the parser accepts.

#[cfg(test)]
mod tests;

/// The JSON schema (draft 7) of configurations.
pub(crate) const SCHEMA: &str = include_str!("configuration.json");
/// A configuration with comments. It names its schema as the file [`SCHEMA_FILE`] beside it.
pub(crate) const EXAMPLE: &str = include_str!("example.jsonc");
/// The name of the schema's file beside an example.
pub(crate) const SCHEMA_FILE: &str = "keyhaven.schema.json";
