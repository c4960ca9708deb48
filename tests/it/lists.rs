//! Lists of keys and of their versions, a page at a time.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use crate::world::{Answer, START, World};

/// Follows `nextLink` from `line` to the end; returns every page's ids, the host and the collection cut off.
async fn pages(world: &World, line: &str) -> Vec<Vec<String>> {
    let prefix = format!("https://{}", world.host("acme"));
    let (mut line, mut pages) = (line.to_owned(), Vec::new());
    loop {
        let body = world.ask(&line, "").await.json();
        let ids = body["value"].as_array().unwrap().iter();
        let last = |item: &Value| item["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        pages.push(ids.map(last).collect());
        let Some(next) = body["nextLink"].as_str() else { return pages };
        line = format!("GET {}", next.strip_prefix(&prefix).unwrap());
    }
}

/// Keys by configuration, so that many are made at once with little work.
async fn with_keys(names: &[&str]) -> World {
    let world = World::new().await;
    for name in names {
        world.key(name, r#"{"kty":"RSA"}"#).await;
    }
    world
}

#[tokio::test]
async fn items_show_the_latest_version_without_naming_it() {
    let world = with_keys(&["k"]).await;
    world.key("k", r#"{"kty":"RSA","attributes":{"exp":4000000000},"tags":{"a":"b"}}"#).await;
    assert_eq!(
        world.ask("GET /keys", "").await.exactly(),
        format!(
            "200 {{\"value\":[{{\"kid\":\"https://{}/keys/k\",\"attributes\":{{\"enabled\":true,\"exp\":4000000000,\
             \"created\":{START},\"updated\":{START},\"recoveryLevel\":\"Recoverable+Purgeable\",\"recoverableDays\":90}},\
             \"tags\":{{\"a\":\"b\"}}}}],\"nextLink\":null}}",
            world.host("acme")
        )
    );
}

#[tokio::test]
async fn pages_are_ordered_by_upper_cased_name() {
    let world = with_keys(&["b", "A-1", "a", "C", "a0", "Ab"]).await;
    let expected: Vec<Vec<String>> =
        [&["a", "A-1"], &["a0", "Ab"], &["b", "C"]].map(|page| page.map(str::to_owned).to_vec()).to_vec();
    assert_eq!(pages(&world, "GET /keys?maxresults=2").await, expected);
    assert_eq!(pages(&world, "GET /keys").await, [expected.concat()]);
}

#[tokio::test]
async fn versions_are_ordered_by_their_id() {
    let world = World::new().await;
    let mut versions = Vec::new();
    for _ in 0..5 {
        versions.push(world.key("k", r#"{"kty":"RSA"}"#).await);
    }
    versions.sort();
    let listed = pages(&world, "GET /keys/k/versions?maxresults=2").await;
    assert_eq!(listed.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(listed.concat(), versions);
    assert_eq!(world.ask("GET /keys/absent/versions", "").await.exactly(), r#"200 {"value":[],"nextLink":null}"#);
}

#[tokio::test]
async fn the_link_to_the_next_page_is_absolute_and_keeps_what_was_asked() {
    let world = with_keys(&["a", "b"]).await;
    let next = |answer: &Answer| answer.json()["nextLink"].as_str().unwrap().to_owned();
    let link = next(&world.ask("GET /keys?maxresults=1&api-version=7.3", "").await);
    let start = format!("https://{}/keys?api-version=7.3&$skiptoken=", world.host("acme"));
    assert!(link.starts_with(&start) && link.ends_with("&maxresults=1"), "{link}");

    let mut request = world.request("localhost", "GET /keys?maxresults=1", "", Some(&world.token("owner").await));
    request.headers_mut().insert("host", "acme.vault.azure.net".parse().unwrap());
    let token = world.token_for("owner", "https://vault.azure.net").await;
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = world.send_to("localhost", request).await;
    assert!(next(&answer).starts_with("https://acme.vault.azure.net:443/keys?"), "{}", answer.text);
    assert_eq!(answer.json()["value"][0]["kid"], "https://acme.vault.azure.net/keys/a");
}

#[tokio::test]
async fn the_page_asked_for_must_be_possible() {
    let world = World::new().await;
    for number in ["0", "26", "-1", "x", "1.5", "%2B1"] {
        assert_eq!(
            world.ask(&format!("GET /keys?maxresults={number}"), "").await.error(),
            "400 BadParameter maxresults must be a number from 1 to 25."
        );
    }
    assert_eq!(
        world.ask("GET /keys?$skiptoken=e30", "").await.error(),
        "400 BadParameter The $skiptoken is not one of this server."
    );
}

/// Names that are few enough to meet, and whose order by upper case is not that by byte.
fn name() -> impl Strategy<Value = String> {
    "[aAbB-]{1,2}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_there_throughout_is_shown_exactly_once(
        before in prop::collection::vec(name(), 0..12),
        between in prop::collection::vec(prop::collection::vec(name(), 0..3), 30),
        size in 1_usize..6,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let upper = |names: &[String]| names.iter().map(|name| name.to_uppercase()).collect::<BTreeSet<_>>();
            for name in &before {
                world.key(name, r#"{"kty":"EC"}"#).await;
            }
            let (mut shown, mut created) = (Vec::new(), before.clone());
            let mut line = format!("GET /keys?maxresults={size}");
            for more in &between {
                let page = world.ask(&line, "").await.json();
                let items = page["value"].as_array().unwrap();
                prop_assert!(items.len() <= size);
                let last = |item: &Value| item["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_uppercase();
                shown.extend(items.iter().map(last));
                let Some(next) = page["nextLink"].as_str() else { break };
                prop_assert_eq!(items.len(), size, "only the last page is short");
                line = format!("GET {}", next.split_once(&format!(":{}", world.port())).unwrap().1);
                // Others write while the list is read: new keys, and new versions of those there are.
                for name in more {
                    world.key(name, r#"{"kty":"EC"}"#).await;
                    created.push(name.clone());
                }
            }
            prop_assert!(shown.is_sorted_by(|one, next| one < next), "in order, none twice: {:?}", shown);
            let shown: BTreeSet<_> = shown.into_iter().collect();
            prop_assert!(upper(&before).is_subset(&shown) && shown.is_subset(&upper(&created)));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn ids_leave_the_schemes_own_port_out_on_every_page() {
    let world = World::new().await;
    world.ask("PUT /secrets/s", r#"{"value":"v"}"#).await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    for host in ["acme.vault.localhost", "acme.vault.localhost:443"] {
        let listed = world.send(world.request(host, "GET /secrets", "", Some(&token))).await.json();
        assert_eq!(listed["value"][0]["id"], "https://acme.vault.localhost/secrets/s", "{host}");
    }
}
