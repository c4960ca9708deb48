//! The routes of this door: each operation with its handler.

use super::collection::{self, Route};
use super::keys::{self, operate, rotation};
use super::{Handler, certificates, secrets};
use crate::http::routes::Routes;
use crate::operation::Operation;
use crate::vault::keys::Keys;
use crate::vault::secrets::Secrets;

/// All routes. Fixed segments stand before free ones.
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
fn key_routes() -> Vec<Route> {
    vec![
        (&rotation::GET_POLICY, |state, exchange, _| Box::pin(rotation::get_policy(state, exchange))),
        (&rotation::SET_POLICY, |state, exchange, body| Box::pin(rotation::set_policy(state, exchange, body))),
        (&rotation::ROTATE, |state, exchange, _| Box::pin(rotation::rotate(state, exchange))),
        (&keys::CREATE, |state, exchange, body| Box::pin(keys::create(state, exchange, body))),
        (&keys::IMPORT, |state, exchange, body| Box::pin(keys::import(state, exchange, body))),
        (&keys::GET, |state, exchange, _| Box::pin(keys::get(state, exchange))),
        (&operate::ENCRYPT, |state, exchange, body| Box::pin(operate::encrypt(state, exchange, body))),
        (&operate::DECRYPT, |state, exchange, body| Box::pin(operate::decrypt(state, exchange, body))),
        (&operate::WRAP, |state, exchange, body| Box::pin(operate::wrap(state, exchange, body))),
        (&operate::UNWRAP, |state, exchange, body| Box::pin(operate::unwrap(state, exchange, body))),
        (&operate::SIGN, |state, exchange, body| Box::pin(operate::sign(state, exchange, body))),
        (&operate::VERIFY, |state, exchange, body| Box::pin(operate::verify(state, exchange, body))),
        (&keys::RELEASE, |state, exchange, _| Box::pin(keys::release(state, exchange))),
    ]
}

/// The operations that secrets alone have.
fn secret_routes() -> Vec<Route> {
    vec![
        (&secrets::SET, |state, exchange, body| Box::pin(secrets::set(state, exchange, body))),
        (&secrets::GET, |state, exchange, _| Box::pin(secrets::get(state, exchange))),
    ]
}

fn certificate_routes() -> Vec<Route> {
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
