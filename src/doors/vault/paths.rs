//! Tests of the paths of all operations.

use hyper::Method;

use super::routes;
use crate::http::routes::Lookup;

/// The operation that a request line is routed to, and its free segments.
fn routed(method: &Method, path: &str) -> Option<(&'static str, [String; 2])> {
    match routes().find(method, &path.parse().unwrap()) {
        Lookup::Found(operation, _, params) => {
            Some((operation.path, ["name", "version"].map(|segment| params.get(segment).into_owned())))
        }
        Lookup::NoSuchMethod | Lookup::NoSuchPath => None,
    }
}

#[test]
fn an_empty_segment_changes_nothing_at_any_place_of_any_operation() {
    for operation in super::operations() {
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
