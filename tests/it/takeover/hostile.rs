//! Targets that must not be reached, in every spelling.

use super::{connect, get, proxy, report, said, world};

#[tokio::test]
async fn own_listeners_are_refused_in_every_spelling() {
    let world = world().await;
    let ready = &world.server.ready;
    for listener in [&ready.listen, &ready.identity, ready.admin.as_ref().unwrap(), ready.proxy.as_ref().unwrap()] {
        let port = listener.rsplit(':').next().unwrap();
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1.2.3",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:0:0:1]",
            "localhost",
            "LOCALHOST.",
            "acme.vault.localhost",
        ] {
            let target = format!("{host}:{port}");
            assert_eq!(connect(&world, &target).await.0, "HTTP/1.1 403 Forbidden", "{target}");
            let (status, why) = get(&world, &format!("http://{target}/health"), "").await;
            assert_eq!(status, 403, "{target}");
            assert!(why.ends_with("it is one of Keyhaven's own listeners; ask it without the proxy.\n"), "{why}");
        }
    }
}

#[tokio::test]
async fn other_spellings_of_addresses_are_malformed() {
    let world = world().await;
    let port = world.port();
    for host in ["0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "127.1", "017700000001", "127.0.0.1.0", "a..b"]
    {
        let target = format!("{host}:{port}");
        assert_eq!(connect(&world, &target).await.0, "HTTP/1.1 400 Bad Request", "{target}");
        assert_eq!(get(&world, &format!("http://{target}/"), "").await.0, 400, "{target}");
    }
    for target in ["0xa9fea9fe:80", "2852039166:80", "0251.0376.0251.0376:80"] {
        assert_eq!(connect(&world, target).await.0, "HTTP/1.1 400 Bad Request", "{target}");
    }
}

#[tokio::test]
async fn link_local_addresses_are_refused() {
    let world = world().await;
    for target in [
        "168.63.129.16:80",
        "169.254.169.254:443",
        "169.254.0.1:80",
        "[fe80::1]:80",
        "[::ffff:169.254.1.1]:80",
        "[::169.254.169.254]:80",
        "[64:ff9b::a9fe:a9fe]:80",
        "[2002:a9fe:a9fe::1]:80",
        "[::ffff:0:a9fe:a9fe]:80",
        "[2001:db8::5efe:169.254.169.254]:80",
        "[2001:db8::200:5efe:169.254.169.254]:443",
        "[2001:0:a9fe:a9fe::1]:80",
        "[2001:0:808:808:0:f000:5601:5601]:80",
        "[64:ff9b:1::a9fe:a9fe]:80",
        "[64:ff9b:1:a9fe:a9:fe00::]:80",
        "[::ffff:0:168.63.129.16]:80",
    ] {
        assert_eq!(connect(&world, target).await.0, "HTTP/1.1 403 Forbidden", "{target}");
    }
}

#[tokio::test]
async fn other_ports_of_what_is_taken_over_are_refused() {
    let world = world().await;
    for target in ["acme.vault.azure.net:8443", "acme.vault.azure.net:80", "login.microsoftonline.com:22"] {
        assert_eq!(connect(&world, target).await.0, "HTTP/1.1 403 Forbidden", "{target}");
    }
}

#[tokio::test]
async fn what_is_malformed_or_too_large_is_refused_and_changes_nothing() {
    let world = world().await;
    let long = "a.".repeat(200);
    for target in ["", "acme", "acme:0", "acme:99999", "a@b:443", "a/b:443", &format!("{long}:443")] {
        let answer =
            said(proxy(&world).await, &format!("CONNECT {target} HTTP/1.1\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{target}: {answer}");
    }
    let head = format!("CONNECT a.example:443 HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(70_000));
    let answer = said(proxy(&world).await, &head).await;
    assert!(answer.starts_with("HTTP/1.1 431 ") || answer.is_empty(), "{answer}");
    assert_eq!(report(&world), "malformed: 8 requests\n");
}
