//! Method override: clients behind proxies that let only GET and POST through name the method in a header
//! (authentication-requests-and-responses.md calls it X-HTTP-METHOD in one place and X-HTTP-REQUEST in another).

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use crate::http::error::ApiError;

const HEADERS: [&str; 2] = ["x-http-method", "x-http-request"];

/// The method of a request: that of its line, unless it is a POST whose header overrides it by PATCH or DELETE.
///
/// # Errors
/// 400 when the header names another method.
pub(super) fn effective(method: &Method, headers: &HeaderMap) -> Result<Method, ApiError> {
    let requested = HEADERS.into_iter().find_map(|name| headers.get(name));
    match requested.filter(|_| *method == Method::POST) {
        None => Ok(method.clone()),
        Some(requested) if requested.as_bytes().eq_ignore_ascii_case(b"PATCH") => Ok(Method::PATCH),
        Some(requested) if requested.as_bytes().eq_ignore_ascii_case(b"DELETE") => Ok(Method::DELETE),
        Some(_) => {
            let text = "The header X-HTTP-METHOD can say PATCH or DELETE, in place of a POST.";
            Err(ApiError::new(StatusCode::BAD_REQUEST, "BadParameter", text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_post_can_override_its_method() {
        let effective_of = |method: Method, name: &'static str, said: &'static str| {
            effective(&method, &HeaderMap::from_iter([(name.parse().unwrap(), said.parse().unwrap())]))
        };
        assert_eq!(effective_of(Method::POST, "x-http-method", "PATCH").unwrap(), Method::PATCH);
        assert_eq!(effective_of(Method::POST, "x-http-request", "delete").unwrap(), Method::DELETE);
        assert_eq!(effective_of(Method::GET, "x-http-method", "DELETE").unwrap(), Method::GET);
        assert_eq!(effective_of(Method::POST, "x-http-verb", "DELETE").unwrap(), Method::POST);
        for said in ["GET", "PUT", "", "POST", "PATCHED"] {
            assert_eq!(effective_of(Method::POST, "x-http-method", said).unwrap_err().status, 400, "{said}");
        }
    }
}
