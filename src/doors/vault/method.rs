//! The method that a request means: clients behind proxies that let only GET and POST through say it in a header
//! (authentication-requests-and-responses.md calls it X-HTTP-METHOD in one place and X-HTTP-REQUEST in another).

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use crate::http::error::ApiError;

const HEADERS: [&str; 2] = ["x-http-method", "x-http-request"];

/// The method of a request: that of its line, unless it is a POST that says in a header to mean PATCH or DELETE.
pub(super) fn meant(method: &Method, headers: &HeaderMap) -> Result<Method, ApiError> {
    let said = HEADERS.into_iter().find_map(|name| headers.get(name));
    match said.filter(|_| *method == Method::POST) {
        None => Ok(method.clone()),
        Some(said) if said.as_bytes().eq_ignore_ascii_case(b"PATCH") => Ok(Method::PATCH),
        Some(said) if said.as_bytes().eq_ignore_ascii_case(b"DELETE") => Ok(Method::DELETE),
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
    fn only_a_post_can_mean_something_else() {
        let means = |method: Method, name: &'static str, said: &'static str| {
            meant(&method, &HeaderMap::from_iter([(name.parse().unwrap(), said.parse().unwrap())]))
        };
        assert_eq!(means(Method::POST, "x-http-method", "PATCH").unwrap(), Method::PATCH);
        assert_eq!(means(Method::POST, "x-http-request", "delete").unwrap(), Method::DELETE);
        assert_eq!(means(Method::GET, "x-http-method", "DELETE").unwrap(), Method::GET);
        assert_eq!(means(Method::POST, "x-http-verb", "DELETE").unwrap(), Method::POST);
        for said in ["GET", "PUT", "", "POST", "PATCHED"] {
            assert_eq!(means(Method::POST, "x-http-method", said).unwrap_err().status, 400, "{said}");
        }
    }
}
