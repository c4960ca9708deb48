//! The routes of this door: each operation with its handler.

use super::collection::{self, RouteEntry};
use super::keys::{self, operate, rotation};
use super::{Handler, certificates, secrets};
use crate::http::routes::Routes;
use crate::operation::Operation;
use crate::vault::keys::Keys;
use crate::vault::secrets::Secrets;

/// All routes. Fixed segments come before free ones.
pub(super) fn table() -> Routes<Handler> {
    let keys = collection::routes::<Keys>().into_iter().chain(key_routes());
    let secrets = collection::routes::<Secrets>().into_iter().chain(secret_routes());
    Routes::new(keys.chain(secrets).chain(certificate_routes()).collect())
}

/// Every operation of the data plane.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    let operations: Vec<_> = table().operations().collect();
    operations.into_iter()
}

/// The operations that keys alone have.
fn key_routes() -> Vec<RouteEntry> {
    vec![
        (&rotation::GET_POLICY, |state, request, _| Box::pin(rotation::get_policy(state, request))),
        (&rotation::SET_POLICY, |state, request, body| Box::pin(rotation::set_policy(state, request, body))),
        (&rotation::ROTATE, |state, request, _| Box::pin(rotation::rotate(state, request))),
        (&keys::CREATE, |state, request, body| Box::pin(keys::create(state, request, body))),
        (&keys::IMPORT, |state, request, body| Box::pin(keys::import(state, request, body))),
        (&keys::GET, |state, request, _| Box::pin(keys::get(state, request))),
        (&operate::ENCRYPT, |state, request, body| Box::pin(operate::encrypt(state, request, body))),
        (&operate::DECRYPT, |state, request, body| Box::pin(operate::decrypt(state, request, body))),
        (&operate::WRAP, |state, request, body| Box::pin(operate::wrap(state, request, body))),
        (&operate::UNWRAP, |state, request, body| Box::pin(operate::unwrap(state, request, body))),
        (&operate::SIGN, |state, request, body| Box::pin(operate::sign(state, request, body))),
        (&operate::VERIFY, |state, request, body| Box::pin(operate::verify(state, request, body))),
        (&keys::RELEASE, |state, request, _| Box::pin(keys::release(state, request))),
    ]
}

/// The operations that secrets alone have.
fn secret_routes() -> Vec<RouteEntry> {
    vec![
        (&secrets::SET, |state, request, body| Box::pin(secrets::set(state, request, body))),
        (&secrets::GET, |state, request, _| Box::pin(secrets::get(state, request))),
    ]
}

fn certificate_routes() -> Vec<RouteEntry> {
    vec![(&certificates::GET_CONTACTS, |_, _, _| Box::pin(async { certificates::get_contacts() }))]
}

#[cfg(test)]
mod tests {
    use hyper::Method;

    use super::*;
    use crate::http::routes::Lookup;

    /// The operation that a request line is routed to, and its free segments.
    fn routed(method: &Method, path: &str) -> Option<(&'static str, [String; 2])> {
        match table().find(method, &path.parse().unwrap()) {
            Lookup::Found(operation, _, params) => {
                Some((operation.path, ["name", "version"].map(|segment| params.get(segment).into_owned())))
            }
            Lookup::NoSuchMethod | Lookup::NoSuchPath => None,
        }
    }

    #[test]
    fn an_empty_segment_changes_nothing_at_any_place_of_any_operation() {
        for operation in operations() {
            for version in ["/v", ""] {
                let path = operation.path.replace("{name}", "n").replace("/{version?}", version);
                let expected = routed(&operation.method, &path);
                assert_eq!(expected.as_ref().map(|(path, _)| *path), Some(operation.path), "{path}");
                for (place, _) in path.match_indices('/').chain([(path.len(), "")]) {
                    for empty in ["/", "//"] {
                        let given = format!("{}{empty}{}", &path[..place], &path[place..]);
                        assert_eq!(routed(&operation.method, &given), expected, "{} {given}", operation.method);
                    }
                }
            }
        }
    }
}
