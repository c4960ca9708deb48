//! The address of an admin API on the command line and in the environment.

use hyper::Uri;

/// What to write.
const EXAMPLE: &str = "write http://127.0.0.1:8081, the address of the server's --admin-listen";

/// `http://HOST:PORT`, without a slash at the end; the scheme may be left out.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let (scheme, address) = text.trim().split_once("://").unwrap_or(("http", text.trim()));
    let address = address.trim_end_matches('/');
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {}
        "https" => return Err(format!("the admin API speaks http; write http://{address}")),
        _ => return Err(EXAMPLE.to_owned()),
    }
    let url = format!("http://{address}");
    let uri: Uri = url.parse().map_err(|_| EXAMPLE.to_owned())?;
    // Of "a:b" the host is "a", and the port none.
    let is_address = uri.host().is_some_and(|host| host == address || (!host.is_empty() && uri.port_u16().is_some()));
    if is_address && !address.contains(['@', '?', '#', '/']) { Ok(url) } else { Err(EXAMPLE.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_left_out() {
        for text in ["127.0.0.1:8081", "http://127.0.0.1:8081/", " HTTP://127.0.0.1:8081"] {
            assert_eq!(parse(text).as_deref(), Ok("http://127.0.0.1:8081"), "{text}");
        }
        assert_eq!(parse("[::1]:8081").as_deref(), Ok("http://[::1]:8081"));
    }

    #[test]
    fn other_texts_are_refused_with_what_to_write() {
        let https = parse("https://127.0.0.1:8081").unwrap_err();
        assert_eq!(https, "the admin API speaks http; write http://127.0.0.1:8081");
        for text in ["", "ftp://a", "http://", "a:b", "http://u:p@a", "http://a/admin"] {
            assert_eq!(parse(text), Err(EXAMPLE.to_owned()), "{text}");
        }
    }
}
