//! What is taken over, what is held back, and what is let through.

use keyhaven::{CloudService, Takeover};

use super::{connect, get, listener, offline_refusal, report, tls, world, world_of};
use crate::world::CONFIG;

#[tokio::test]
async fn what_the_cloud_has_and_we_have_not_is_refused_with_the_option_that_lets_it_through() {
    let world = world().await;
    for host in ["acme.blob.core.windows.net", "a.database.windows.net", "dev.azure.com", "x.microsoftonline.de"] {
        let (status, why) = get(&world, &format!("http://{host}/"), "").await;
        let expected = format!("{host} is not emulated; start with --pass {host} to let it through to Azure.\n");
        assert_eq!((status, why), (403, expected));
        assert_eq!(connect(&world, &format!("{host}:443")).await.0, "HTTP/1.1 403 Forbidden", "{host}");
    }
    assert!(
        report(&world).starts_with(
            "refused: a.database.windows.net:443 (1 attempt), a.database.windows.net:80 (1 attempt), acme"
        )
    );
}

#[tokio::test]
async fn a_mistyped_vault_is_refused_with_what_is_wrong_and_is_on_the_log() {
    let world = world().await;
    let why = "not a vault's name: 3 to 24 letters, digits and single hyphens";
    for host in ["biling_x.vault.azure.net", "a.b.vault.azure.net", "x.vault.usgovcloudapi.net"] {
        assert_eq!(get(&world, &format!("http://{host}/"), "").await, (403, format!("{host}: {why}.\n")));
    }
    let (host, like) =
        ("acme.vaults.azure.net", "is not emulated (did you mean acme.vault.azure.net?); start with --pass");
    let (status, said) = get(&world, &format!("http://{host}/"), "").await;
    assert_eq!((status, said), (403, format!("{host} {like} {host} to let it through to Azure.\n")));
    let log = world.admin("GET /admin/log", "").await.json();
    let last = log["requests"].as_array().unwrap().iter().rev().find(|request| request["door"] == "proxy").unwrap();
    assert_eq!((&last["asked"], &last["status"]), (&host.into(), &403.into()), "{last}");
    assert!(last["line"].as_str().unwrap().starts_with("- proxy - 403 RefusedByProxy asked acme.vaults.azure.net "));

    let world = world_of(CONFIG, Takeover { offline: true, ..Takeover::default() }).await;
    assert_eq!(get(&world, "http://a_b.vault.azure.net/", "").await, (403, format!("a_b.vault.azure.net: {why}.\n")));
    let said = get(&world, &format!("http://{host}/"), "").await.1;
    assert!(said.contains("lets nothing out (did you mean acme.vault.azure.net?); add --pass"), "{said}");
}

#[tokio::test]
async fn a_client_that_tries_again_is_on_the_log_once() {
    let world = world().await;
    let ca = world.server.takeover_ca.clone().unwrap();
    for _ in 0..3 {
        assert_eq!(get(&world, "http://one.blob.core.windows.net/", "").await.0, 403);
        // An address of the documentation's, and a name that may not be reached there.
        let (status, stream) = connect(&world, "192.0.2.1:443").await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(tls(stream, "two.blob.core.windows.net", &ca, true).await.is_err());
    }
    let log = world.admin("GET /admin/log", "").await.json();
    let of_proxy = log["requests"].as_array().unwrap().iter().filter(|request| request["door"] == "proxy");
    let mut asked: Vec<_> = of_proxy.map(|request| request["asked"].as_str().unwrap()).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["one.blob.core.windows.net", "two.blob.core.windows.net"]);
    let counted = "refused: one.blob.core.windows.net:80 (3 attempts), two.blob.core.windows.net:443 (3 attempts)\n";
    assert_eq!(report(&world), counted);
}

#[tokio::test]
async fn what_is_passed_is_reached() {
    // The parent proxy plays the world outside: no test asks for a name.
    let (outside, address) = listener().await;
    let variables = [("HTTP_PROXY".to_owned(), format!("http://{address}"))].into();
    let parent_proxy = keyhaven::ParentProxy::from_variables(&variables).unwrap();
    let pass = vec!["acme.blob.core.windows.net".to_owned()];
    let world = world_of(CONFIG, Takeover { allowed_hosts: pass, parent_proxy, ..Takeover::default() }).await;
    let asked = get(&world, "http://acme.blob.core.windows.net/", "");
    let answering = async {
        let (mut stream, _) = outside.accept().await.unwrap();
        super::head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nblob";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, answering);
    assert_eq!(answer, (200, "blob".to_owned()));
    assert_eq!(get(&world, "http://other.blob.core.windows.net/", "").await.0, 403);
}

#[tokio::test]
async fn a_narrowed_takeover_certifies_and_answers_no_more_than_it_says() {
    let world = world_of(CONFIG, Takeover { services: vec![CloudService::Entra], ..Takeover::default() }).await;
    let ca = world.server.takeover_ca.clone().unwrap();
    let (_, stream) = connect(&world, "login.windows.net:443").await;
    tls(stream, "login.windows.net", &ca, true).await.unwrap();
    let pem = x509_parser::pem::parse_x509_pem(ca.as_bytes()).unwrap().1;
    let certificate = pem.parse_x509().unwrap();
    let constraints = format!("{:?}", certificate.name_constraints().unwrap().unwrap().value.permitted_subtrees);
    assert!(constraints.contains("login.windows.net") && !constraints.contains("vault.azure.net"), "{constraints}");
    assert!(!constraints.contains("management.azure.com"), "{constraints}");
}

#[tokio::test]
async fn offline_lets_nothing_out() {
    let world = world_of(CONFIG, Takeover { offline: true, ..Takeover::default() }).await;
    let (_elsewhere, address) = listener().await;
    for host in ["example.com", "dev.azure.com", "192.0.2.1", "127.0.0.1"] {
        let target = format!("{host}:{}", address.port());
        assert_eq!(connect(&world, &target).await.0, "HTTP/1.1 403 Forbidden", "{target}");
    }
    let (status, why) = get(&world, "http://example.com/", "").await;
    assert_eq!((status, why), (403, offline_refusal("example.com:80")));
    let local = format!("app.localhost:{}", address.port());
    assert_eq!(connect(&world, &local).await.0, "HTTP/1.1 200 OK", "*.localhost is this machine");
    let ca = world.server.takeover_ca.clone().unwrap();
    let (_, stream) = connect(&world, "acme.vault.azure.net:443").await;
    tls(stream, "acme.vault.azure.net", &ca, true).await.unwrap();
}

#[tokio::test]
async fn offline_lets_out_what_is_passed_and_nothing_else() {
    // The parent proxy plays the world outside: no test asks for a name.
    let (outside, address) = listener().await;
    let variables = [("HTTP_PROXY".to_owned(), format!("http://{address}"))].into();
    let parent_proxy = keyhaven::ParentProxy::from_variables(&variables).unwrap();
    let (_elsewhere, target) = listener().await;
    let pass = ["feed.example:80".to_owned(), target.to_string()];
    let takeover = Takeover { offline: true, parent_proxy, ..Takeover::default() }.allowing(&pass).unwrap();
    let world = world_of(CONFIG, takeover).await;
    let asked = get(&world, "http://feed.example/", "");
    let answering = async {
        let (mut stream, _) = outside.accept().await.unwrap();
        super::head(&mut stream).await;
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfeed";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
    };
    let (answer, ()) = tokio::join!(asked, answering);
    assert_eq!(answer, (200, "feed".to_owned()));
    assert_eq!(connect(&world, &target.to_string()).await.0, "HTTP/1.1 200 OK", "an address is passed too");
    for url in ["http://feed.example:8080/", "http://www.feed.example/", "http://dev.azure.com/"] {
        assert_eq!(get(&world, url, "").await.0, 403, "{url}");
    }
    assert_eq!(connect(&world, "feed.example:443").await.0, "HTTP/1.1 403 Forbidden");
}
