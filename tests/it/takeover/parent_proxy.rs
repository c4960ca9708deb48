//! The proxy that was set before: what is tunnelled goes through it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{connect, get, get_keys, head, listener, report, tls, world_of};
use crate::world::{CONFIG, World};
use keyhaven::{Config, Listen, Options, ParentProxy, Takeover};

/// A world whose environment named a proxy before, by these variables; `PROXY` in them is where it listens.
async fn behind(variables: &[(&str, &str)]) -> (World, TcpListener) {
    let (before, address) = listener().await;
    let filled = |(name, value): &(&str, &str)| ((*name).to_owned(), value.replace("PROXY", &address.to_string()));
    let parent_proxy = ParentProxy::from_variables(&variables.iter().map(filled).collect()).unwrap();
    (world_of(CONFIG, Takeover { parent_proxy, ..Takeover::default() }).await, before)
}

/// Answers one request to the parent proxy; gives its head in lower case.
fn answer(before: TcpListener, answer: &'static [u8]) -> JoinHandle<String> {
    tokio::spawn(async move {
        let (mut stream, _) = before.accept().await.unwrap();
        let head = head(&mut stream).await;
        stream.write_all(answer).await.unwrap();
        let _ = stream.shutdown().await;
        head.to_ascii_lowercase()
    })
}

#[tokio::test]
async fn tunnels_go_through_it_with_its_credentials() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://me:h%40sh@PROXY")]).await;
    let asked = answer(before, b"HTTP/1.1 200 Connection established\r\n\r\nfrom afar");
    let (status, mut stream) = connect(&world, "far.example:8443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "from afar");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("connect far.example:8443 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic bwu6aebzaa==\r\n"), "{asked}");
}

#[tokio::test]
async fn plain_requests_go_through_it_in_absolute_form() {
    let (world, before) =
        behind(&[("http_proxy", "http://me:hush@PROXY"), ("HTTPS_PROXY", "http://127.0.0.1:1")]).await;
    let asked = answer(before, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nafar");
    let given = get(&world, "http://far.example/path?q", "Proxy-Authorization: Basic other\r\n").await;
    assert_eq!(given, (200, "afar".to_owned()));
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("get http://far.example/path?q http/1.1\r\n"), "{asked}");
    assert!(asked.contains("host: far.example\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic bwu6ahvzaa==\r\n") && !asked.contains("other"), "{asked}");
}

#[tokio::test]
async fn without_credentials_none_are_sent() {
    let (world, before) = behind(&[("ALL_PROXY", "PROXY")]).await;
    let asked = answer(before, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(connect(&world, "far.example:443").await.0, "HTTP/1.1 200 OK");
    assert!(!asked.await.unwrap().contains("authorization"));
}

#[tokio::test]
async fn its_exceptions_and_this_machine_are_reached_straight() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY"), ("NO_PROXY", "192.0.2.0/24")]).await;
    let untouched = answer(before, b"");
    let (_elsewhere, address) = listener().await;
    for host in ["127.0.0.1", "localhost", "app.localhost"] {
        assert_eq!(connect(&world, &format!("{host}:{}", address.port())).await.0, "HTTP/1.1 200 OK", "{host}");
    }
    assert!(!untouched.is_finished());
}

#[tokio::test]
async fn a_proxy_that_says_no_is_a_bad_gateway_that_says_so() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY"), ("HTTP_PROXY", "http://PROXY")]).await;
    let asked = answer(before, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(connect(&world, "far.example:443").await.0, "HTTP/1.1 502 Bad Gateway");
    asked.await.unwrap();
}

#[tokio::test]
async fn taken_over_names_and_what_is_refused_never_reach_it() {
    let (world, before) = behind(&[("ALL_PROXY", "http://PROXY")]).await;
    let untouched = answer(before, b"");
    let own: SocketAddr = world.address;
    for (target, status) in [
        ("acme.vault.azure.net:443".to_owned(), "HTTP/1.1 200 OK"),
        ("169.254.169.254:80".to_owned(), "HTTP/1.1 200 OK"),
        ("169.254.169.254:8080".to_owned(), "HTTP/1.1 403 Forbidden"),
        ("acme.blob.core.windows.net:443".to_owned(), "HTTP/1.1 403 Forbidden"),
        (own.to_string(), "HTTP/1.1 403 Forbidden"),
        (format!("localhost:{}", own.port()), "HTTP/1.1 403 Forbidden"),
    ] {
        assert_eq!(connect(&world, &target).await.0, status, "{target}");
    }
    assert!(!untouched.is_finished());
}

#[tokio::test]
async fn a_server_that_was_its_own_proxy_before_goes_straight() {
    // As in a shell that evaluated `env`, whose server was started again on the same ports.
    let (nobody, address) = listener().await;
    drop(nobody);
    let variables = [("HTTP_PROXY".to_owned(), format!("http://{address}"))].into();
    let parent_proxy = ParentProxy::from_variables(&variables).unwrap();
    let listen = Listen { proxy: Some(address), ..Listen::on_free_ports() };
    let (config, takeover) = (Config::parse(CONFIG).unwrap(), Takeover { parent_proxy, ..Takeover::default() });
    let world = World::with(Options { config, listen, takeover, ..Options::default() }).await;
    // No host has this address: the machine says so at once.
    let (status, why) = get(&world, "http://255.255.255.255/", "").await;
    assert_eq!(status, 502, "{why}");
    assert!(why.starts_with("255.255.255.255:80 cannot be reached: "), "{why}");
}

#[tokio::test]
async fn a_proxy_that_does_not_answer_is_given_up() {
    let (before, address) = listener().await;
    let parent_proxy =
        ParentProxy::from_variables(&[("HTTPS_PROXY".to_owned(), format!("http://{address}"))].into()).unwrap();
    let config = CONFIG.replacen('{', r#"{"limits":{"connectTimeoutSeconds":1},"#, 1);
    let world = world_of(&config, Takeover { parent_proxy, ..Takeover::default() }).await;
    let (asked, _held) = tokio::join!(connect(&world, "far.example:443"), before.accept());
    assert_eq!(asked.0, "HTTP/1.1 504 Gateway Timeout");
    assert_eq!(report(&world), "not reached: far.example:443 (1 attempt)\n");
}

#[tokio::test]
async fn what_a_client_says_first_to_an_address_is_not_lost() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    let (status, mut client) = connect(&world, "192.0.2.1:443").await;
    assert_eq!(status, "HTTP/1.1 200 OK");
    client.write_all(b"SSH-2.0-client\r\n").await.unwrap();
    let (mut stream, _) = before.accept().await.unwrap();
    assert!(head(&mut stream).await.starts_with("CONNECT 192.0.2.1:443 "));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let mut said = [0; 16];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"SSH-2.0-client\r\n");
    stream.write_all(b"back").await.unwrap();
    client.read_exact(&mut said[..4]).await.unwrap();
    assert_eq!(&said[..4], b"back");
}

#[tokio::test]
async fn who_is_slow_to_name_a_host_does_not_escape_by_its_address() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    let ca = world.server.takeover_ca.clone().unwrap();
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let (_, client) = connect(&world, "192.0.2.1:443").await;
    // Long enough for the server to be asked whether it speaks first.
    let (mut stream, _) = before.accept().await.unwrap();
    assert!(head(&mut stream).await.starts_with("CONNECT 192.0.2.1:443 "));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let answer = get_keys(client, "acme.vault.azure.net", &ca, &token).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "nothing of the client's went out");
    assert_eq!(report(&world), "taken over: acme.vault.azure.net:443 (1 request)\n");
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    let (_, mut client) = connect(&world, "192.0.2.1:443").await;
    let (mut stream, _) = before.accept().await.unwrap();
    head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    stream.write_all(b"SSH-2.0-server\r\n").await.unwrap();
    let mut said = [0; 16];
    client.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"SSH-2.0-server\r\n");
    client.write_all(b"SSH-2.0-client\r\n").await.unwrap();
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"SSH-2.0-client\r\n");
}

#[tokio::test]
async fn what_is_refused_by_name_is_refused_by_address_too() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    let ca = world.server.takeover_ca.clone().unwrap();
    let (_, client) = connect(&world, "192.0.2.1:443").await;
    assert!(tls(client, "acme.blob.core.windows.net", &ca, true).await.is_err());
    // The hello of a version that is not spoken here may be meant for anybody.
    let (_, mut client) = connect(&world, "192.0.2.1:443").await;
    client.write_all(&[0x16, 3, 1, 0, 4, 1, 0, 0, 0]).await.unwrap();
    assert_eq!(client.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert!(timeout(Duration::from_millis(100), before.accept()).await.is_err(), "nobody outside was asked");
    assert_eq!(report(&world), "refused: 192.0.2.1:443 (1 attempt), acme.blob.core.windows.net:443 (1 attempt)\n");
}

#[tokio::test]
async fn who_has_gone_before_a_word_leads_nowhere() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    for sent in [&b""[..], &[0x16, 3, 1]] {
        let (status, mut client) = connect(&world, "192.0.2.1:443").await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        client.write_all(sent).await.unwrap();
        drop(client);
    }
    assert!(timeout(Duration::from_millis(1500), before.accept()).await.is_err(), "nobody outside was asked");
    assert_eq!(report(&world), "");
}

#[tokio::test]
async fn a_dead_proxy_of_the_environment_is_named() {
    let (world, before) = behind(&[("HTTPS_PROXY", "http://PROXY")]).await;
    let address = before.local_addr().unwrap();
    drop(before);
    let (status, mut client) = connect(&world, "far.example:443").await;
    assert_eq!(status, "HTTP/1.1 502 Bad Gateway");
    let mut said = [0; 512];
    let length = client.read(&mut said).await.unwrap();
    let text = String::from_utf8_lossy(&said[..length]);
    let expected = format!(
        "far.example:443 is reached through the proxy of the environment (HTTPS_PROXY): {address} cannot be reached"
    );
    assert!(text.starts_with(&expected), "{text}");
}
