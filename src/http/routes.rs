//! Routing: one small function over the operation table. Segments are compared without regard to case, empty ones are
//! skipped (`//keys/n` is `/keys/n`, `/keys/n//sign` means the latest version), and objects may be called `versions` or
//! `create`.
//!
//! Clients write empty segments because Azure hands out vault URLs that end in a slash: they append `/secrets/n` to it.
//! The .NET key client up to 4.7.0 sends `POST /keys//restore`, its predecessor `GET //secrets/n/`.

use std::borrow::Cow;

use hyper::http::uri::PathAndQuery;
use hyper::{Method, Uri};
use percent_encoding::percent_decode_str;

use crate::operation::Operation;

/// Operations, each with what handles it. Earlier entries win, so fixed segments come before free ones.
pub(crate) struct Routes<H> {
    table: Vec<Route<H>>,
}

/// An operation, its path's segments, and what handles it.
struct Route<H> {
    operation: &'static Operation,
    segments: Vec<Segment>,
    handler: H,
}

/// One segment of an operation's path.
#[derive(Clone, Copy, Debug)]
enum Segment {
    /// These letters, in any case.
    Fixed(&'static str),
    /// Anything, by this name.
    Free(&'static str),
    /// Anything, by this name; it may be absent.
    Optional(&'static str),
}

/// The free segments of a path, and the query. They are decoded when they are read, so a clone copies no text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    target: Option<PathAndQuery>,
    /// Names of free segments, each with its index among the segments of the path.
    segments: Vec<(&'static str, usize)>,
}

/// The outcome of routing a request.
#[derive(Debug)]
pub(crate) enum Lookup<'a, H> {
    /// An operation.
    Found(&'static Operation, &'a H, Params),
    /// The path has other methods.
    NoSuchMethod,
    /// Nothing has this path.
    NoSuchPath,
}

impl<H> Routes<H> {
    /// The routes of `table`: the one way to add them, and it takes the operation.
    pub(crate) fn new(table: Vec<(&'static Operation, H)>) -> Self {
        let route = |(operation, handler): (&'static Operation, H)| {
            let segments = operation.path[1..].split('/').map(Segment::of).collect();
            Route { operation, segments, handler }
        };
        Self { table: table.into_iter().map(route).collect() }
    }

    /// Routes a request for `method` on `uri`.
    pub(crate) fn find(&self, method: &Method, uri: &Uri) -> Lookup<'_, H> {
        let segments: Vec<&str> = segments(uri.path()).collect();
        let with_method = self.table.iter().filter(|route| route.operation.method == *method);
        for Route { operation, segments: expected, handler } in with_method {
            if let Some(free) = match_segments(expected, &segments, 0) {
                let params = Params { target: uri.path_and_query().cloned(), segments: free };
                return Lookup::Found(operation, handler, params);
            }
        }
        let is_known = self.table.iter().any(|route| match_segments(&route.segments, &segments, 0).is_some());
        if is_known { Lookup::NoSuchMethod } else { Lookup::NoSuchPath }
    }

    /// Every operation.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'static Operation> {
        self.table.iter().map(|route| route.operation)
    }
}

impl Params {
    /// The segment called `name`, percent-decoded; empty when it was left out.
    pub(crate) fn get(&self, name: &str) -> Cow<'_, str> {
        let index = self.segments.iter().find(|(known, _)| *known == name).map(|(_, index)| *index);
        let text = self.target.as_ref().zip(index).and_then(|(target, index)| segments(target.path()).nth(index));
        percent_decode_str(text.unwrap_or_default()).decode_utf8_lossy()
    }

    /// The parameters of the query, decoded, in their order.
    pub(crate) fn query(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let query = self.target.as_ref().and_then(PathAndQuery::query);
        form_urlencoded::parse(query.unwrap_or_default().as_bytes())
    }
}

impl Segment {
    fn of(text: &'static str) -> Self {
        match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            None => Self::Fixed(text),
            Some(name) => name.strip_suffix('?').map_or(Self::Free(name), Self::Optional),
        }
    }
}

/// The segments of `path` that are not empty, as sent.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The free segments of `path[index..]`, last first, each with its index in `path`; none when `expected` does not match.
fn match_segments(expected: &[Segment], path: &[&str], index: usize) -> Option<Vec<(&'static str, usize)>> {
    let Some((first, rest)) = expected.split_first() else {
        return (index == path.len()).then(Vec::new);
    };
    let bound = |name| {
        let mut free = match_segments(rest, path, index + 1)?;
        free.push((name, index));
        Some(free)
    };
    match (*first, path.get(index)) {
        (Segment::Optional(name), Some(_)) => bound(name).or_else(|| match_segments(rest, path, index)),
        (Segment::Optional(_), None) => match_segments(rest, path, index),
        (Segment::Free(name), Some(_)) => bound(name),
        (Segment::Fixed(text), Some(value)) if value.eq_ignore_ascii_case(text) => {
            match_segments(rest, path, index + 1)
        }
        (Segment::Free(_) | Segment::Fixed(_), _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Permission;

    static LIST: Operation = operation("List", Method::GET, "/keys");
    static VERSIONS: Operation = operation("Versions", Method::GET, "/keys/{name}/versions");
    static GET: Operation = operation("Get", Method::GET, "/keys/{name}/{version?}");
    static SIGN: Operation = operation("Sign", Method::POST, "/keys/{name}/{version?}/sign");

    const fn operation(name: &'static str, method: Method, path: &'static str) -> Operation {
        Operation { name, method, path, permission: Permission::Open }
    }

    fn find(method: Method, path: &str) -> String {
        let routes = Routes::new(vec![(&LIST, ()), (&VERSIONS, ()), (&GET, ()), (&SIGN, ())]);
        match routes.find(&method, &path.parse().unwrap()) {
            Lookup::Found(operation, (), params) => {
                format!("{} name={} version={}", operation.name, params.get("name"), params.get("version"))
            }
            Lookup::NoSuchMethod => "no such method".into(),
            Lookup::NoSuchPath => "no such path".into(),
        }
    }

    #[test]
    fn the_version_may_be_empty_or_absent() {
        assert_eq!(find(Method::GET, "/keys/n"), "Get name=n version=");
        assert_eq!(find(Method::GET, "/keys/n/"), "Get name=n version=");
        assert_eq!(find(Method::GET, "/keys/n/v"), "Get name=n version=v");
        assert_eq!(find(Method::GET, "/keys/n/v/"), "Get name=n version=v");
        assert_eq!(find(Method::POST, "/keys/n/sign"), "Sign name=n version=");
        assert_eq!(find(Method::POST, "/keys/n//sign"), "Sign name=n version=");
        assert_eq!(find(Method::POST, "/keys/n/v/sign"), "Sign name=n version=v");
    }

    #[test]
    fn fixed_segments_have_no_case_and_names_may_look_like_them() {
        assert_eq!(find(Method::GET, "/Keys"), "List name= version=");
        assert_eq!(find(Method::GET, "/keys/"), "List name= version=");
        assert_eq!(find(Method::GET, "/KEYS/versions/VERSIONS"), "Versions name=versions version=");
        assert_eq!(find(Method::GET, "/keys/versions"), "Get name=versions version=");
        assert_eq!(find(Method::POST, "/keys/sign/sign"), "Sign name=sign version=");
    }

    #[test]
    fn free_segments_are_decoded_after_splitting() {
        assert_eq!(find(Method::GET, "/keys/a%2Fb"), "Get name=a/b version=");
    }

    #[test]
    fn an_unknown_method_is_no_unknown_path() {
        assert_eq!(find(Method::PUT, "/keys/n"), "no such method");
        assert_eq!(find(Method::GET, "/keys/n/v/x"), "no such path");
        for path in ["/", "//", "*"] {
            assert_eq!(find(Method::GET, path), "no such path", "{path:?}");
        }
    }

    #[test]
    fn empty_segments_are_skipped_wherever_they_are() {
        for path in ["//keys/n", "/keys//n", "/keys/n//", "///keys///n///"] {
            assert_eq!(find(Method::GET, path), "Get name=n version=", "{path}");
        }
        assert_eq!(find(Method::GET, "//keys"), "List name= version=");
        assert_eq!(find(Method::GET, "/keys//n//v//"), "Get name=n version=v");
        assert_eq!(find(Method::GET, "/keys/n//versions"), "Versions name=n version=");
        assert_eq!(find(Method::GET, "/keys//versions"), "Get name=versions version=", "an object's name");
        assert_eq!(find(Method::POST, "//keys//n//sign//"), "Sign name=n version=");
        assert_eq!(find(Method::POST, "/keys/n//v//sign"), "Sign name=n version=v");
        assert_eq!(find(Method::POST, "/keys//sign"), "no such method", "a name cannot be empty");
    }
}
