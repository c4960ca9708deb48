//! The errors of changes that the management plane refuses: of resource groups, factories and what is in them.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::refusal::{bad_request, conflict, internal, invalid_content, no_group, not_found, record, vaults};
use super::{refused_key, refused_network, refused_run, refused_runtime};
use crate::factory::Unusable;
use crate::http::error::ApiError;
use crate::management::{self, ChildId, FactoryId, MAX_GROUPS, MAX_TAG_NAME, MAX_TAG_VALUE, MAX_TAGS, RuntimeRefusal};

/// A change of a resource or a group that was not made.
pub(super) fn of(refusal: management::Refusal) -> ApiError {
    match refusal {
        management::Refusal::NoGroup(id) => no_group(id.name()),
        management::Refusal::FixedLocation { current, wanted } => {
            let text = format!(
                "Invalid resource group location '{wanted}'. The Resource group already exists in location '{current}'."
            );
            conflict("InvalidResourceGroupLocation", text)
        }
        management::Refusal::Holds(ids) => {
            let text = format!(
                "Deletion of the resource group did not complete, as resources with identifiers '{}' could not be deleted. \
                 Vaults are no resources of Keyhaven's management plane yet: delete them with keyhaven vault delete first.",
                ids.join(",")
            );
            conflict("ResourceGroupDeletionBlocked", text)
        }
        management::Refusal::DefaultGroup => {
            let text = "The default resource group cannot be deleted: what names no other group is in it.";
            conflict("ResourceGroupDeletionBlocked", text)
        }
        management::Refusal::TooManyGroups => {
            let text = format!("Creating the resource group would exceed the quota of '{MAX_GROUPS}'.");
            conflict("ResourceGroupQuotaExceeded", text)
        }
        management::Refusal::TooManyTags => {
            bad_request("InvalidTags", format!("A resource can have at most {MAX_TAGS} tags."))
        }
        management::Refusal::InvalidTag(name) => {
            let text = format!(
                "The tag '{name}' is invalid: a name has 1 to {MAX_TAG_NAME} characters and a value at most {MAX_TAG_VALUE}, and names \
                 that differ in case alone are the same."
            );
            bad_request("InvalidTags", text)
        }
        management::Refusal::TooLong { member, most } => {
            invalid_content(&format!("{member} has at most {most} characters"))
        }
        other => factory(other),
    }
}

fn factory(refusal: management::Refusal) -> ApiError {
    match refusal {
        management::Refusal::NoFactory(id) => no_factory(&id),
        management::Refusal::NoChild(id) => no_child(&id),
        management::Refusal::Runtime(refusal) => refused_runtime::of(refusal),
        management::Refusal::NoNetworkResource(id) => refused_network::not_there(&id),
        management::Refusal::TooManyEndpoints => refused_network::too_many(),
        management::Refusal::FactoryNameInUse(name) => {
            let text = format!(
                "The specified resource name '{name}' is already in use. Resource names must be globally unique."
            );
            conflict("DataFactoryNameInUse", text)
        }
        management::Refusal::FixedResourceLocation { id, current, wanted } => {
            let (name, group) = (id.name(), id.group().name());
            let text = format!(
                "The resource '{name}' already exists in location '{current}' in resource group '{group}'. A resource with the same \
                 name cannot be created in location '{wanted}'. Please select a new resource name."
            );
            conflict("InvalidResourceLocation", text)
        }
        management::Refusal::NoIdentity(id) => no_identity(&id),
        management::Refusal::IdentityTaken(name) => {
            let text = format!("The identity '{name}' has the name that the factory's own identity would have.");
            conflict("Conflict", text)
        }
        management::Refusal::CustomerKey(why) => refused_key::of(&why),
        management::Refusal::KeyAway(why) => refused_key::away(&why),
        management::Refusal::Interrupted(why) => internal(&why),
        management::Refusal::KeyIdentity(user_assigned) => refused_key::identity(user_assigned.as_deref()),
        management::Refusal::KeyRegion { vault, theirs, ours } => refused_key::region(&vault, &theirs, &ours),
        management::Refusal::PreconditionFailed => {
            let text = "The condition of the header If-Match does not hold.";
            ApiError::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", text)
        }
        other => definition(other),
    }
}

/// Refusals of what is in a factory, and of the store. The texts of references are recorded in public (MicrosoftDocs/azure-docs issue
/// 61815, liprec/azurebi-docs issue 102); the others are ours.
fn definition(refusal: management::Refusal) -> ApiError {
    let text = match refusal {
        management::Refusal::InvalidReference { name } => {
            format!("The document creation or update failed because of invalid reference '{name}'.")
        }
        management::Refusal::Referenced { by } => {
            format!("The document cannot be deleted since it is referenced by {by}.")
        }
        management::Refusal::Definition(why) => format!("The document creation or update failed: {why}."),
        management::Refusal::Credential(unusable) => credential(&unusable),
        management::Refusal::CredentialIdentity(id) => {
            format!(
                "The credential's identity '{id}' is none of the factory's user-assigned identities: give it to the factory first."
            )
        }
        management::Refusal::NotEncrypted { id, properties, runtime, why } => {
            not_encrypted(&id, properties, (&runtime, &why))
        }
        management::Refusal::NetworkName => "The managed virtual network of a factory is called 'default'.".to_owned(),
        management::Refusal::Sealing(why) => return internal(&why.to_string()),
        management::Refusal::NoPipeline(name) => return refused_run::no_pipeline(&name),
        management::Refusal::NoRun(id) => return refused_run::no_run(&id.to_string()),
        management::Refusal::NotRunnable(why) => return refused_run::not_runnable(&why.to_string()),
        management::Refusal::TooManyRuns(most) => return refused_run::too_many(most),
        management::Refusal::Vaults(refusal) => return vaults(&refusal),
        management::Refusal::Record(error) => return record(&error),
        // The others have texts above.
        other => return internal(&format!("{other:?}")),
    };
    bad_request("BadRequest", text)
}

/// A credential that cannot be taken. The texts are ours.
fn credential(unusable: &Unusable) -> String {
    let (at, why) = match unusable {
        Unusable::NoText { at } => (at, "a credential must be text"),
        Unusable::NoValue { at } => (at, "a SecureString must have a value"),
        Unusable::Masked { at } => (at, "the masked credential ********** is not kept: write it anew"),
    };
    format!("The document creation or update failed: {why}, at 'properties{at}'.")
}

/// Credentials that no node has encrypted. The text, with the indented definition whose `typeProperties` are hidden, is in
/// MicrosoftDocs/azure-docs issues 17892 and 24281, which show other reasons at its end; this one is ours.
fn not_encrypted(id: &ChildId, mut properties: Value, (runtime, why): (&str, &RuntimeRefusal)) -> String {
    if let Some(own) = properties.get_mut("typeProperties") {
        hide(own);
    }
    let payload = json!({"Id": id.to_string(), "Name": id.name(), "Properties": properties});
    let payload = format!("{payload:#}").replace('\n', "\r\n");
    let why = match why {
        RuntimeRefusal::NoAnswer => "the node did not answer in time",
        RuntimeRefusal::TaskFailed(why) => why.as_str(),
        RuntimeRefusal::SharedAccess(_) => "Access denied. Unable to access shared integration runtime",
        _ => "No online instance",
    };
    format!(
        "Failed to encrypt sub-resource payload {payload} and error is: Failed to encrypt linked service credentials on \
         self-hosted IR '{runtime}', reason is: NotFound, error message is: {why}.."
    )
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => "********************".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(members) => members.values_mut().for_each(hide),
        _ => {}
    }
}

/// A factory that is not there.
fn no_factory(id: &FactoryId) -> ApiError {
    let text = format!(
        "The Resource 'Microsoft.DataFactory/factories/{}' under resource group '{}' was not found. For more details please go to \
         https://aka.ms/ARMResourceNotFoundFix",
        id.name(),
        id.group().name()
    );
    not_found("ResourceNotFound", text)
}

/// Something in a factory that is not there.
pub(super) fn no_child(id: &ChildId) -> ApiError {
    not_found("NotFound", format!("The document could not be retrieved because '{id}' was not found."))
}

/// A name that no factory can have.
pub(super) fn invalid_factory(name: &str) -> ApiError {
    let text = format!(
        "The factory name '{name}' is invalid: it has 3 to 63 letters, digits and single hyphens, and begins and ends with a letter \
         or digit."
    );
    bad_request("InvalidParameter", text)
}

/// A name that nothing in a factory can have.
pub(super) fn invalid_child(name: &str) -> ApiError {
    let text = format!(
        "The name '{name}' is invalid: it begins with a letter, a digit or _, has at most 260 characters, and none of <>*#.%&:\\+?/."
    );
    bad_request("BadRequest", text)
}

/// A type of identity that there is not.
pub(super) fn invalid_identity(kind: &str) -> ApiError {
    let text = format!(
        "The identity type '{kind}' is invalid for the given identities. The supported types are 'SystemAssigned', 'UserAssigned', \
         'SystemAssigned,UserAssigned' and 'None'."
    );
    bad_request("InvalidIdentityType", text)
}

/// A user-assigned identity that does not exist.
pub(super) fn no_identity(id: &str) -> ApiError {
    let text = format!(
        "Identity operation failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: \
         'Resource '{id}' was not found.''."
    );
    bad_request("FailedIdentityOperation", text)
}
