//! Requests in absolute form, and the metadata address.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{connect, get, head, listener, proxy, report, said, status_and_body, world, world_of};
use crate::world::CONFIG;
use keyhaven::{CloudService, Takeover};

const SOON: Duration = Duration::from_secs(10);

/// An HTTP server for one connection that answers `answer`; its task gives the head it was sent.
async fn once(answer: &'static str) -> (tokio::task::JoinHandle<String>, SocketAddr) {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    });
    (task, address)
}

/// A token request to the metadata service.
const TOKEN: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

#[tokio::test]
async fn a_request_is_sent_on_without_what_concerns_the_proxy() {
    let world = world().await;
    let (server, address) = once(
        "HTTP/1.1 207 Multi\r\nContent-Length: 2\r\nX-Own: 1\r\nConnection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: 9\r\n\r\nok",
    )
    .await;
    let text = format!(
        "POST http://{address}/a/%2F?b=c HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: Basic aHVzaA==\r\n\
         Proxy-Connection: keep-alive\r\nConnection: close, x-secret\r\nX-Secret: 1\r\nX-Kept: 1\r\nContent-Length: 0\r\n\r\n"
    );
    let answer = said(proxy(&world).await, &text).await;
    assert_eq!(status_and_body(&answer), (207, "ok".to_owned()));
    assert!(answer.contains("x-own: 1") && !answer.contains("x-mine") && !answer.contains("keep-alive"), "{answer}");
    let mut lines: Vec<_> = server.await.unwrap().to_ascii_lowercase().lines().map(str::to_owned).collect();
    lines.sort();
    let host = format!("host: {address}");
    assert_eq!(lines, ["", "content-length: 0", &host, "post /a/%2f?b=c http/1.1", "x-kept: 1"]);
    assert_eq!(report(&world), format!("tunnelled: {address} (1 connection)\n"));
}

#[tokio::test]
async fn one_connection_carries_requests_for_several_hosts() {
    let world = world().await;
    let (one, first) = once("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await;
    let (two, second) = once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n").await;
    let mut text = String::new();
    for url in [
        format!("http://{first}/1"),
        format!("http://169.254.169.254{TOKEN}"),
        format!("http://localhost:{}/2", second.port()),
        "http://acme.vault.azure.net/keys".to_owned(),
    ] {
        text += &format!("GET {url} HTTP/1.1\r\nHost: x\r\nMetadata: true\r\n\r\n");
    }
    text += "GET http://example.com:0/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = said(proxy(&world).await, &text).await;
    let statuses: Vec<_> = answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "200", "200", "400", "400"], "{answer}");
    assert!(answer.find("one") < answer.find("access_token") && answer.find("access_token") < answer.find("two"));
    assert!(one.await.unwrap().starts_with("GET /1 "));
    assert!(two.await.unwrap().starts_with("GET /2 "));
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let world = world().await;
    let (listener, address) = listener().await;
    let mut client = proxy(&world).await;
    let request =
        format!("PUT http://{address}/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nping\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let exchange = async {
        assert!(head(&mut server).await.to_ascii_lowercase().contains("transfer-encoding: chunked"));
        let mut piece = [0; 9];
        server.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"4\r\nping\r\n", "before the body has ended");
        server.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npong\r\n").await.unwrap();
        head(&mut client).await;
        client.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"4\r\npong\r\n");
    };
    timeout(SOON, exchange).await.unwrap();
    drop(client);
    let mut rest = Vec::new();
    let _ = timeout(SOON, server.read_to_end(&mut rest)).await.expect("the server learns that the client has gone");
}

#[tokio::test]
async fn an_answer_that_goes_on_is_not_taken_for_an_idle_connection() {
    let limits = r#"{"limits":{"idleTimeoutSeconds":1,"headerTimeoutSeconds":1},"#;
    let world = world_of(&CONFIG.replacen('{', limits, 1), Takeover::default()).await;
    let (listener, address) = listener().await;
    let url = format!("http://{address}/");
    let answering = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").await.unwrap();
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stream.write_all(b"x").await.unwrap();
        }
    };
    let (answer, ()) = tokio::join!(get(&world, &url, ""), answering);
    assert_eq!(answer, (200, "x".repeat(12)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let config = CONFIG.replacen('{', r#"{"limits":{"tunnelIdleSeconds":1},"#, 1);
    let world = world_of(&config, Takeover::default()).await;
    let (listener, address) = listener().await;
    let url = format!("http://{address}/");
    let asked = timeout(SOON, get(&world, &url, ""));
    let (answer, _held) = tokio::join!(asked, listener.accept());
    assert_eq!(answer.unwrap(), (504, format!("{address} did not answer in time.\n")));
}

#[tokio::test]
async fn the_metadata_address_is_this_server_in_absolute_form_and_inside_connect() {
    let world = world().await;
    let (status, body) = get(&world, &format!("http://169.254.169.254{TOKEN}"), "Metadata: true\r\n").await;
    assert_eq!(status, 200, "{body}");
    let direct: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(direct["resource"], "https://vault.azure.net");

    let (status, stream) = connect(&world, "169.254.169.254:80").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let request =
        format!("GET {TOKEN} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    let (status, body) = status_and_body(&said(stream, &request).await);
    assert_eq!(status, 200, "{body}");
    let inside: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(inside["client_id"], direct["client_id"]);
    // As clients probe for the service: it must say no, not be away.
    let (status, body) = get(&world, "http://169.254.169.254/metadata/identity/oauth2/token", "").await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(report(&world), "taken over: 169.254.169.254:80 (3 requests)\n");
}

#[tokio::test]
async fn nothing_but_metadata_is_answered_at_its_address() {
    let world = world().await;
    for path in ["/", "/health", "/ca.pem", "/msi/token", "/metadatas/", "//ca.pem"] {
        let (status, body) = get(&world, &format!("http://169.254.169.254{path}"), "Metadata: true\r\n").await;
        assert_eq!(
            (status, body.as_str()),
            (404, "This server stands in for /metadata/ of this address alone.\n"),
            "{path}"
        );
    }
    let (status, _) = get(&world, "http://169.254.169.254//metadata/identity/oauth2/token", "").await;
    assert_eq!(status, 400, "msi libraries write two slashes");
    for target in ["http://169.254.169.254:81/metadata/", "http://169.254.169.253/metadata/", "http://[fe80::1]/"] {
        assert_eq!(get(&world, target, "Metadata: true\r\n").await.0, 403, "{target}");
    }
}

#[tokio::test]
async fn without_entra_the_metadata_address_is_refused() {
    let takeover = Takeover { services: vec![CloudService::Vault, CloudService::Arm], ..Takeover::default() };
    let world = world_of(CONFIG, takeover).await;
    assert_eq!(get(&world, &format!("http://169.254.169.254{TOKEN}"), "Metadata: true\r\n").await.0, 403);
    assert_eq!(connect(&world, "169.254.169.254:80").await.0, "HTTP/1.1 403 Forbidden");
}

#[tokio::test]
async fn what_is_taken_over_is_asked_over_tls() {
    let world = world().await;
    for host in ["acme.vault.azure.net", "login.microsoftonline.com", "management.azure.com:8080"] {
        let (status, body) = get(&world, &format!("http://{host}/"), "").await;
        let name = host.split(':').next().unwrap();
        assert_eq!((status, body), (400, format!("{name} is asked over TLS: write https://{name}.\n")));
    }
}

#[tokio::test]
async fn a_request_for_the_proxy_itself_is_answered_with_what_it_is() {
    let world = world().await;
    let address = world.server.ready.proxy.clone().unwrap();
    let answer = world.plain(&address, "/", &[]).await;
    assert_eq!(answer.exactly(), "400 This is a proxy: set it as HTTPS_PROXY and HTTP_PROXY.\n");
    let answer = world.plain(&address, "ftp://example.com/", &[]).await;
    assert_eq!(answer.exactly(), "400 Use CONNECT for anything but http:// and https://.\n");
}

#[tokio::test]
async fn a_url_may_leave_its_path_out() {
    let world = world().await;
    for (rest, line) in [("?a=b", "GET /?a=b HTTP/1.1"), ("", "GET / HTTP/1.1")] {
        let (asked, address) = once("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        let text = format!("GET http://{address}{rest} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(status_and_body(&said(proxy(&world).await, &text).await), (200, "ok".to_owned()), "{rest}");
        assert_eq!(asked.await.unwrap().lines().next(), Some(line));
    }
}

#[tokio::test]
async fn a_server_cannot_change_the_protocol_unasked() {
    let world = world().await;
    let (_, address) = once("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").await;
    let text = format!("GET http://{address}/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    assert_eq!(status_and_body(&said(proxy(&world).await, &text).await).0, 502);
}

#[tokio::test]
async fn an_answer_whose_pieces_are_far_apart_is_not_cut_before_the_tunnels_bound() {
    let limits = r#"{"identities":[{"name":"owner"}],"vaults":[{"name":"acme"}],
        "limits":{"headerTimeoutSeconds":1,"idleTimeoutSeconds":1,"tunnelIdleSeconds":60}}"#;
    let world = world_of(limits, Takeover::default()).await;
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none").await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        stream.write_all(b"two").await.unwrap();
    });
    let text = format!("GET http://{address}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = said(proxy(&world).await, &text).await;
    assert_eq!(status_and_body(&answer), (200, "onetwo".to_owned()));
}

#[tokio::test]
async fn a_request_that_is_broken_off_is_counted_once() {
    let world = world().await;
    let (server, address) = once("").await;
    let (status, why) = get(&world, &format!("http://{address}/"), "").await;
    assert_eq!(status, 502);
    assert!(why.starts_with(&format!("{address} broke off the exchange: ")), "{why}");
    server.await.unwrap();
    assert_eq!(report(&world), format!("tunnelled: {address} (1 connection)\n"));
}
