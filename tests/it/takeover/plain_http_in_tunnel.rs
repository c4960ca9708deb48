//! Plain HTTP in a connection to a taken-over name, where TLS is spoken.

use super::{connect, said, status_and_body, world};

#[tokio::test]
async fn plain_http_inside_of_a_connection_is_answered_with_the_https_url() {
    let world = world().await;
    for (host, request, expected) in [
        (
            "acme.vault.azure.net",
            "GET /keys?a=b HTTP/1.1\r\nHost: acme.vault.azure.net\r\n\r\n",
            "Use https://acme.vault.azure.net/keys?a=b instead.",
        ),
        (
            "login.microsoftonline.com",
            "POST /x HTTP/1.1\r\nHost: login.microsoftonline.com:443\r\nContent-Length: 2\r\n\r\n{}",
            "Use https://login.microsoftonline.com/x instead.",
        ),
        ("acme.vault.azure.net", "GET /keys HTTP/1.0\r\n\r\n", "Use an https URL instead."),
    ] {
        let (line, stream) = connect(&world, &format!("{host}:443")).await;
        assert_eq!(line, "HTTP/1.1 200 OK");
        let (status, body) = status_and_body(&said(stream, request).await);
        assert_eq!(status, 400, "{body}");
        let text = format!("Plain HTTP was sent where HTTPS is spoken. {expected}");
        assert_eq!(body, format!(r#"{{"error":{{"code":"HttpsRequired","message":"{text}"}}}}"#));
    }
}
