//! Network rules of vaults: which address gets in, what is said when none does, and what never counts as an address.

use keyhaven::{Config, Options, Storage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Answer, World};

const SUBNET: &str = "/subscriptions/5/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
/// An address that no rule of these tests names.
const STRANGER: &str = "198.51.100.9";

/// The vault `acme` with the secret `s` and these members, and another one; identities that come from everywhere.
fn config(vault: &Value, more: &Value) -> String {
    let mut acme = json!({"name": "acme", "secrets": {"s": "v"}, "accessPolicies": [
        {"identity": "owner", "permissions": {"secrets": ["all"]}},
        {"identity": "service", "permissions": {"secrets": ["all"]}},
        {"identity": "traveller", "permissions": {"secrets": ["all"]}}]});
    acme.as_object_mut().unwrap().extend(vault.as_object().unwrap().clone());
    let mut config = json!({
        "identities": [
            {"name": "owner"}, {"name": "nobody"}, {"name": "service", "trustedService": true},
            {"name": "traveller", "addresses": ["203.0.113.7", "::ffff:10.1.0.7"]}],
        "virtualNetworks": {SUBNET: ["10.1.0.0/16"]},
        "perimeters": [{"name": "p", "vaults": ["Acme"], "ranges": ["203.0.113.0/24", "10.1.0.0/16"]}],
        "privateEndpoints": [{"name": "shared", "ranges": ["127.0.0.0/8"]}],
        "vaults": [acme, {"name": "other", "secrets": {"s": "v"}}]});
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config.to_string()
}

async fn world(vault: Value) -> World {
    World::of(&config(&vault, &json!({})), Storage::Memory).await
}

/// As [`world`], with every request from `address`.
async fn world_from(address: &str, vault: &Value) -> World {
    let config = Config::parse(&config(vault, &json!({}))).unwrap();
    World::with(Options { config, client_address: Some(address.parse().unwrap()), ..Options::default() }).await
}

async fn get(world: &World, who: &str) -> Answer {
    world.ask_as(who, "acme", "GET /secrets/s", "").await
}

/// `allowed`, or the inner code of the refusal.
fn outcome(answer: &Answer) -> String {
    match answer.status.as_u16() {
        200 => "allowed".to_owned(),
        403 => answer.json()["error"]["innererror"]["code"].as_str().unwrap_or_default().to_owned(),
        _ => answer.text.clone(),
    }
}

async fn put(world: &World, body: Value) {
    let answer = world.admin("PUT /admin/vaults/acme", &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// What the service calls the caller and the vault in its texts.
fn caller(name: &str) -> String {
    let ids = keyhaven::testing::identity_ids(&Config::parse(&config(&json!({}), &json!({}))).unwrap(), name).unwrap();
    format!(
        "Caller: appid={};oid={};iss=https://sts.windows.net/6b9e7c1a-0000-4000-8000-000000000001/\r\nVault: \
         acme;location=local",
        ids.client_id, ids.object_id
    )
}

#[tokio::test]
async fn a_refusal_reads_like_the_services_and_names_the_rule_to_add() {
    let world = world(json!({"networkAcls": {"defaultAction": "Deny"}})).await;
    let refused = get(&world, "owner").await;
    let expected = format!(
        "403 Forbidden/ForbiddenByFirewall Client address is not authorized and caller is not a trusted service.\r\nClient \
         address: 127.0.0.1\r\n{}",
        caller("owner")
    );
    assert_eq!(refused.error(), expected);
    let detail = refused.header("x-keyhaven-detail");
    assert_eq!(detail, "add 127.0.0.1/32 to the ipRules in the networkAcls of the vault 'acme'");
    put(&world, json!({"publicNetworkAccess": "Disabled"})).await;
    let refused = get(&world, "owner").await;
    let expected = format!(
        "403 Forbidden/ForbiddenByConnection Public network access is disabled and request is not from a trusted service nor \
         via an approved private link.\r\n{}",
        caller("owner")
    );
    assert_eq!(refused.error(), expected);
    assert_eq!(
        refused.header("x-keyhaven-detail"),
        "publicNetworkAccess of the vault 'acme' is Disabled: enable it, or add 127.0.0.1/32 to the ranges of one of its \
         privateEndpoints"
    );
    put(&world, json!({"publicNetworkAccess": "SecuredByPerimeter"})).await;
    let refused = get(&world, "owner").await;
    assert_eq!(refused.error(), expected);
    assert_eq!(
        refused.header("x-keyhaven-detail"),
        "add 127.0.0.1/32 to the ranges of a perimeter that the vault 'acme' is in"
    );
    let log = world.admin("GET /admin/log", "").await.json();
    let lines: Vec<_> =
        log["requests"].as_array().unwrap().iter().filter_map(|line| line["missing"].as_str()).collect();
    assert_eq!(lines, ["firewall rule", "private connection", "private connection"]);
}

#[tokio::test]
async fn the_address_is_asked_for_after_the_token_and_before_everything_else() {
    let world = world(json!({"networkAcls": {"defaultAction": "Deny"}})).await;
    let without_token = world.send(world.request(&world.host("acme"), "GET /secrets/s", "", None)).await;
    assert_eq!(without_token.status, 401);
    for line in
        ["GET /secrets/s", "GET /secrets/absent", "GET /no/such/thing", "GET /secrets/s?api-version=1", "DELETE /keys"]
    {
        let answer = world.ask_as("nobody", "acme", line, "").await;
        assert_eq!(outcome(&answer), "ForbiddenByFirewall", "{line}: {}", answer.text);
    }
    let broken = world.ask_as("owner", "acme", "PUT /secrets/s", "{").await;
    assert_eq!(outcome(&broken), "ForbiddenByFirewall", "the body is not read");
    assert_eq!(world.ask_as("owner", "other", "GET /secrets/s", "").await.status, 200, "another vault is open");
    let shown = world.admin("GET /admin/vaults/acme", "").await;
    assert_eq!(shown.status, 200, "the firewall is of the data plane alone");
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let world = world(json!({"networkAcls": {"defaultAction": "Deny"}})).await;
    for (line, body) in [
        ("PUT /secrets/s", r#"{"value":"w"}"#),
        ("PUT /secrets/new", r#"{"value":"w"}"#),
        ("PATCH /secrets/s", r#"{"contentType":"x"}"#),
        ("DELETE /secrets/s", ""),
    ] {
        let answer = world.ask_as("owner", "acme", line, body).await;
        assert_eq!(outcome(&answer), "ForbiddenByFirewall", "{line}");
    }
    put(&world, json!({"networkAcls": {}})).await;
    let kept = get(&world, "owner").await.json();
    assert_eq!((&kept["value"], &kept["contentType"]), (&json!("v"), &Value::Null));
    assert_eq!(world.ask_as("owner", "acme", "GET /secrets/new", "").await.status, 404);
    let versions = world.ask_as("owner", "acme", "GET /secrets/s/versions", "").await.json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_of_the_rules_takes_effect_on_the_next_request() {
    let world = world(json!({})).await;
    let deny = |rules: Value| json!({"networkAcls": {"defaultAction": "Deny", "ipRules": rules}});
    let closed = |access: &str, endpoints: Value| json!({"publicNetworkAccess": access, "privateEndpoints": endpoints});
    for (body, of_owner, of_service) in [
        (json!({}), "allowed", "allowed"),
        (deny(json!([])), "ForbiddenByFirewall", "allowed"),
        (deny(json!(["127.0.0.1"])), "allowed", "allowed"),
        (deny(json!([{"value": "127.0.0.2/31"}])), "ForbiddenByFirewall", "allowed"),
        (deny(json!(["::ffff:127.0.0.0/104"])), "allowed", "allowed"),
        (closed("Disabled", json!([])), "ForbiddenByConnection", "allowed"),
        (closed("Disabled", json!([{"name": "own", "ranges": ["127.0.0.1/32"]}])), "allowed", "allowed"),
        (closed("Disabled", json!([{"name": "Shared"}])), "allowed", "allowed"),
        (closed("Disabled", json!([{"name": "shared", "ranges": []}])), "ForbiddenByConnection", "allowed"),
        (closed("SecuredByPerimeter", json!([])), "ForbiddenByConnection", "ForbiddenByConnection"),
        (closed("Enabled", json!([])), "allowed", "allowed"),
        (
            json!({"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}),
            "ForbiddenByFirewall",
            "ForbiddenByFirewall",
        ),
    ] {
        put(&world, body.clone()).await;
        assert_eq!(outcome(&get(&world, "owner").await), of_owner, "{body}");
        assert_eq!(outcome(&get(&world, "service").await), of_service, "{body}");
    }
    let shown = world.admin("GET /admin/vaults/acme", "").await.json();
    assert_eq!(
        (&shown["publicNetworkAccess"], &shown["networkAcls"], &shown["privateEndpoints"]),
        (
            &json!("Enabled"),
            &json!({"defaultAction": "Deny", "bypass": "None", "ipRules": [], "virtualNetworkRules": []}),
            &json!([])
        )
    );
}

#[tokio::test]
async fn an_identity_has_its_own_addresses_and_each_must_pass() {
    let deny = |rules: Value| json!({"networkAcls": {"defaultAction": "Deny", "ipRules": rules, "virtualNetworkRules": [SUBNET]}});
    let world = world(deny(json!(["127.0.0.1", "203.0.113.7"]))).await;
    assert_eq!(outcome(&get(&world, "owner").await), "allowed");
    assert_eq!(outcome(&get(&world, "traveller").await), "allowed", "by a rule, and by the virtual network");
    put(&world, json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["127.0.0.1", "203.0.113.7"]}})).await;
    let refused = get(&world, "traveller").await;
    assert!(refused.error().contains("Client address: 10.1.0.7\r\n"), "{}", refused.text);
    put(&world, deny(json!(["127.0.0.1"]))).await;
    let refused = get(&world, "traveller").await;
    assert!(refused.error().contains("Client address: 203.0.113.7\r\n"), "{}", refused.text);
    put(&world, json!({"publicNetworkAccess": "SecuredByPerimeter"})).await;
    assert_eq!(outcome(&get(&world, "traveller").await), "allowed", "both lie in the perimeter of the vault");
    assert_eq!(outcome(&get(&world, "owner").await), "ForbiddenByConnection");
}

#[tokio::test]
async fn the_address_of_the_start_counts_instead_of_the_connections() {
    let rules = json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["127.0.0.1", "203.0.113.7"]}});
    let world = world_from(STRANGER, &rules).await;
    let refused = get(&world, "owner").await;
    assert!(refused.error().contains(&format!("Client address: {STRANGER}\r\n")), "{}", refused.text);
    let info = format!("conn_type=Ipv4;addr={STRANGER};act_addr_fam=InterNetwork;");
    assert_eq!(refused.header("x-ms-keyvault-network-info"), info);
    put(&world, json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["203.0.113.7", "10.1.0.0/16"]}})).await;
    assert_eq!(outcome(&get(&world, "traveller").await), "allowed", "an identity's own addresses come first");
    let world = world_from("::ffff:203.0.113.7", &rules).await;
    assert_eq!(outcome(&get(&world, "owner").await), "allowed", "IPv4 within IPv6 is IPv4");
    let world =
        world_from("2001:db8::7", &json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["2001:db8::/64"]}}))
            .await;
    assert_eq!(outcome(&get(&world, "owner").await), "allowed");
}

#[tokio::test]
async fn no_header_and_no_host_name_is_an_address() {
    let world = world(json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["203.0.113.7"]},
        "privateEndpoints": [{"name": "pe", "ranges": ["203.0.113.8"]}]}))
    .await;
    let token = world.token_for("owner", "https://vault.azure.net").await;
    let port = world.port();
    for name in ["acme.vault.localhost", "acme.privatelink.vaultcore.azure.net"] {
        for header in ["x-forwarded-for", "forwarded", "x-real-ip", "x-azure-clientip", "true-client-ip", "client-ip"] {
            let mut request = world.request(&format!("{name}:{port}"), "GET /secrets/s", "", Some(&token));
            let value = if header == "forwarded" { "for=203.0.113.7" } else { "203.0.113.7" };
            request.headers_mut().insert(header, value.parse().unwrap());
            let answer = world.send_to("acme.vault.localhost", request).await;
            assert_eq!(outcome(&answer), "ForbiddenByFirewall", "{name}, {header}: {}", answer.text);
        }
    }
    put(&world, json!({"networkAcls": {}})).await;
    let request =
        world.request(&format!("acme.privatelink.vaultcore.azure.net:{port}"), "GET /secrets/s", "", Some(&token));
    assert_eq!(world.send_to("acme.vault.localhost", request).await.status, 200, "the name leads to the vault");
}

/// Sends the head of a write, changes the server once the write was let in, and sends the rest.
async fn overtaken(world: &World, change: impl AsyncFnOnce()) -> String {
    let (token, body) = (world.token("owner").await, r#"{"value":"late"}"#);
    let mut stream = world.tls("acme.vault.localhost").await.unwrap();
    let head = format!(
        "PUT /secrets/s?api-version=7.4 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
        world.host("acme"),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    change().await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_rule_that_is_withdrawn_counts_before_any_later_write() {
    let rules = json!({"networkAcls": {"defaultAction": "Deny", "ipRules": ["127.0.0.1"]}});
    let world = world(rules.clone()).await;
    let withdrawn =
        overtaken(&world, async || put(&world, json!({"networkAcls": {"defaultAction": "Deny"}})).await).await;
    assert!(withdrawn.starts_with("HTTP/1.1 429"), "the client sends it again, and is refused: {withdrawn}");
    put(&world, json!({"publicNetworkAccess": "Disabled", "privateEndpoints": [{"name": "shared"}]})).await;
    let moved = config(&rules, &json!({"privateEndpoints": [{"name": "shared", "ranges": ["203.0.113.8"]}]}));
    let moved: Value = serde_json::from_str(&moved).unwrap();
    let moved = json!({"identities": moved["identities"], "virtualNetworks": moved["virtualNetworks"],
        "perimeters": moved["perimeters"], "privateEndpoints": moved["privateEndpoints"], "vaults": [moved["vaults"][1]]});
    let apply = async || {
        let answer = world.admin("POST /admin/configuration", &moved.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    let withdrawn = overtaken(&world, apply).await;
    assert!(withdrawn.starts_with("HTTP/1.1 429"), "{withdrawn}");
    assert_eq!(outcome(&get(&world, "owner").await), "ForbiddenByConnection", "the endpoint has other addresses now");
    put(&world, json!({"publicNetworkAccess": "Enabled", "networkAcls": {}})).await;
    assert_eq!(get(&world, "owner").await.json()["value"], "v");
}

#[tokio::test]
async fn a_configuration_that_is_applied_names_the_members_that_differ() {
    let world = world(json!({})).await;
    let next = config(
        &json!({"publicNetworkAccess": "Disabled", "networkAcls": {"defaultAction": "Deny"},
            "privateEndpoints": [{"name": "shared"}]}),
        &json!({"virtualNetworks": {}, "identities": [
            {"name": "owner", "addresses": ["127.0.0.1"]}, {"name": "nobody"}, {"name": "service"}, {"name": "traveller"}]}),
    );
    let applied = world.admin("POST /admin/configuration", &next).await.json();
    let lines: Vec<_> = applied["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| ["action", "kind", "name", "detail"].map(|member| step[member].as_str().unwrap()).join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "change identity owner addresses",
            "change identity service trustedService",
            "change identity traveller addresses",
            "change member virtualNetworks ",
            "change vault acme publicNetworkAccess (Enabled -> Disabled), networkAcls, privateEndpoints",
        ]
    );
    let again = world.admin("POST /admin/configuration", &next).await.json();
    assert_eq!(again["steps"], json!([]));
    assert_eq!(outcome(&get(&world, "owner").await), "allowed", "by the endpoint of the top of the file");
}

#[tokio::test]
async fn a_copy_has_the_rules_of_its_source() {
    let world = world(json!({"networkAcls": {"defaultAction": "Deny"}})).await;
    assert_eq!(world.admin("PUT /admin/vaults/copy", r#"{"copyOf":"acme"}"#).await.status, 201);
    let answer = world.ask_as("owner", "copy", "GET /secrets/s", "").await;
    assert_eq!(outcome(&answer), "ForbiddenByFirewall", "{}", answer.text);
}
