//! The request log: one line for each request, refused ones too, with neither values nor tokens.

use std::cell::RefCell;
use std::fmt::Write;
use std::io::Read;
use std::sync::{Arc, LazyLock};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use keyhaven::clock::{Clock, SystemClock, VirtualClock};
use keyhaven::remote::TrustStore;
use keyhaven::testing::REQUEST_LOG;
use keyhaven::{Config, Options};
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use crate::cli::{Served, http_get};
use crate::world::{Answer, CONFIG, World};

/// An application with a secret.
const APP: &str = "11111111-2222-4333-8444-555555555555";

thread_local! {
    /// The lines of the request log, of this thread's servers.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Everything that any event of this thread says.
    static EVERYTHING: RefCell<String> = const { RefCell::new(String::new()) };
}

/// One subscriber for all tests here, which is never dropped: interest in an event is cached for all threads. The second
/// is never used: while there is just one, an event that another test's thread logs first is registered by that thread's
/// subscriber, which is none, and stays off for all threads.
static SUBSCRIBERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(tracing_subscriber::registry().with(Recorder))));

/// What this thread logs while it lives.
struct Log {
    _guard: DefaultGuard,
}

impl Log {
    fn start() -> Self {
        Self { _guard: tracing::dispatcher::set_default(&SUBSCRIBERS[0]) }
    }

    /// The lines since the last call.
    fn take(&self) -> Vec<String> {
        LINES.take()
    }

    /// The one line since the last call.
    fn line(&self) -> String {
        let lines = self.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.into_iter().next().unwrap()
    }
}

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        EVERYTHING.with_borrow_mut(|everything| everything.push_str(&text.fields));
        if event.metadata().target() == REQUEST_LOG && *event.metadata().level() <= Level::INFO {
            LINES.with_borrow_mut(|lines| lines.push(text.message));
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.fields, "{field}={value:?}").unwrap();
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// A server whose clocks stand still, so that each request takes no time.
async fn world() -> World {
    let now = SystemClock.now();
    let app =
        format!(r#"{{"name": "nobody"}}, {{"name": "app", "clientId": "{APP}", "clientSecret": "correct-hush"}}"#);
    let config = Config::parse(&CONFIG.replace(r#"{"name": "nobody"}"#, &app)).unwrap();
    World::with(Options { config, system_clock: Arc::new(VirtualClock::frozen_at(now)), ..Options::default() }).await
}

/// `START 0.0 ms ID`, with the id that the answer names.
fn line(start: &str, answer: &Answer) -> String {
    format!("{start} 0.0 ms {}", answer.header("x-ms-request-id"))
}

#[tokio::test]
async fn a_line_says_who_did_what_to_which_object_and_how_it_ended() {
    let world = world().await;
    let (owner, nobody) = (world.token("owner").await, world.token("nobody").await);
    let log = Log::start();
    let ask = async |token: Option<&str>, line: &str, body: &str| {
        world.send(world.request(&world.host("acme"), line, body, token)).await
    };
    for (token, request, body, expected) in [
        (Some(&owner), "PUT /secrets/api-key", r#"{"value":"hush"}"#, "owner SecretSet acme/api-key 200"),
        (Some(&owner), "GET /secrets/api-key", "", "owner SecretGet acme/api-key 200"),
        (Some(&owner), "GET /secrets", "", "owner SecretList acme 200"),
        (Some(&nobody), "GET /secrets/api-key", "", "nobody SecretGet acme/api-key 403 missing secrets/get"),
        (None, "GET /secrets/api-key", "", "- SecretGet acme/api-key 401 Unauthorized"),
        (Some(&owner), "GET /secrets/absent", "", "owner SecretGet acme/absent 404 SecretNotFound"),
        (Some(&owner), "GET /secrets/api_key%0A", "", "owner SecretGet acme/api_key? 400 BadParameter"),
        (Some(&owner), "PUT /secrets/api-key", "hush", "owner SecretSet acme/api-key 400 BadParameter"),
        (Some(&owner), "POST /secrets/api-key/hush", "", "owner - acme 400 BadParameter"),
    ] {
        let answer = ask(token.map(String::as_str), request, body).await;
        assert_eq!(log.line(), line(expected, &answer), "{request}");
    }
    let elsewhere = world.send(world.request(&world.host("absent"), "GET /secrets/api-key", "", Some(&owner))).await;
    assert_eq!(log.line(), line("- vault - 404 VaultNotFound asked absent.vault.localhost", &elsewhere));
}

#[tokio::test]
async fn token_requests_and_the_admin_api_have_lines_and_health_probes_have_none() {
    let world = world().await;
    let log = Log::start();
    let resource = format!("https://vault.localhost:{}", world.port());
    world.token("owner").await;
    assert_eq!(log.line(), format!("owner ManagedIdentityToken {resource} 200 0.0 ms -"));
    let refused = sign_in(&world, &resource, "wrong").await;
    assert_eq!(log.line(), line(&format!("- TokenV2 - 401 AADSTS7000215 asked {APP}"), &refused));
    let granted = sign_in(&world, &resource, "correct-hush").await;
    assert_eq!(log.line(), line(&format!("app TokenV2 {resource} 200"), &granted));
    assert_eq!(world.admin("DELETE /admin/vaults/gone", "").await.status, 404);
    assert_eq!(log.line(), "admin-key VaultDelete gone 404 NotFound 0.0 ms -");
    assert_eq!(world.admin_with("GET /admin/vaults", b"", &[]).await.status, 401);
    assert_eq!(log.line(), "- VaultList - 401 Unauthorized 0.0 ms -");
    assert_eq!(world.plain(&world.server.ready.identity, "/health", &[]).await.status, 200);
    let shown = world.admin("GET /admin/log?limit=2", "").await.json();
    assert_eq!(log.take(), Vec::<String>::new(), "probes and looks at the log are at debug");
    let requests = shown["requests"].as_array().unwrap();
    let shown_of = |index: usize| (requests[index]["operation"].as_str().unwrap(), requests[index]["number"].as_u64());
    let last = shown["last"].as_u64().unwrap();
    assert_eq!([shown_of(0), shown_of(1)], [("VaultDelete", Some(last - 1)), ("VaultList", Some(last))]);
    let after = world.admin(&format!("GET /admin/log?after={}", last - 1), "").await.json();
    assert_eq!(after["requests"].as_array().unwrap().len(), 1);
    for wrong in ["limit=0", "limit=1001", "after=x", "since=1"] {
        assert_eq!(world.admin(&format!("GET /admin/log?{wrong}"), "").await.status, 400, "{wrong}");
    }
}

/// Who looks for the reason of a refusal needs the name that was asked for.
#[tokio::test]
async fn a_host_and_an_identity_that_are_not_here_are_named() {
    let world = world().await;
    let log = Log::start();
    let ready = &world.server.ready;
    let (identity, admin) = (ready.identity.clone(), ready.admin.clone().unwrap());
    for (address, path, refused) in
        [(&identity, "/health", "identity - 403 invalid_request"), (&admin, "/admin/status", "admin - 403 Forbidden")]
    {
        assert_eq!(world.plain(address, path, &[("host", "evil.example")]).await.status, 403);
        assert_eq!(log.line(), format!("- {refused} asked evil.example 0.0 ms -"));
    }
    let path =
        "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net&client_id=absent%0A";
    assert_eq!(world.plain(&identity, path, &[("metadata", "true")]).await.status, 400);
    assert_eq!(log.line(), "- ManagedIdentityToken - 400 invalid_request asked absent? 0.0 ms -");
    let shown = world.admin("GET /admin/log?limit=1", "").await.json();
    assert_eq!(shown["requests"][0]["asked"], "absent?");
    log.take();
    let app_service = path.replace("/metadata/identity/oauth2/token", "/msi/token");
    let header = [("x-identity-header", ready.env["IDENTITY_HEADER"].as_str())];
    assert_eq!(world.plain(&identity, &app_service, &header).await.status, 400);
    assert_eq!(log.line(), "- AppServiceToken - 400 BadRequest asked absent? 0.0 ms -");
    assert_eq!(world.plain(&identity, path, &[]).await.status, 400);
    assert_eq!(log.line(), "- ManagedIdentityToken - 400 bad_request_102 0.0 ms -", "no identity was looked for");
    assert_eq!(world.plain(&identity, &path.replace("absent%0A", APP), &[]).await.status, 400);
    assert_eq!(log.line(), "- ManagedIdentityToken - 400 bad_request_102 0.0 ms -", "an identity that is here");
}

/// Asks Entra for a token for [`APP`].
async fn sign_in(world: &World, resource: &str, secret: &str) -> Answer {
    let scope = format!("{resource}/.default");
    let form = [("client_id", APP), ("scope", &scope), ("grant_type", "client_credentials"), ("client_secret", secret)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let path = "/6b9e7c1a-0000-4000-8000-000000000001/oauth2/v2.0/token";
    let request = Request::post(path).header("host", format!("login.localhost:{}", world.port()));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    world.send(request.body(Full::<Bytes>::from(body)).unwrap()).await
}

#[tokio::test]
async fn no_event_holds_a_value_a_token_or_a_credential() {
    let world = world().await;
    let log = Log::start();
    let resource = format!("https://vault.localhost:{}", world.port());
    let granted = sign_in(&world, &resource, "correct-hush").await.json();
    let secret = r#"{"value":"value-hush","tags":{"a":"tag-hush"}}"#;
    assert_eq!(world.ask("PUT /secrets/s", secret).await.status, 200);
    assert_eq!(world.ask("GET /secrets/s", "").await.status, 200);
    assert_eq!(world.ask("PUT /secrets/s", r#"{"value":["value-hush"]}"#).await.status, 400);
    let token = world.token("owner").await;
    let said = EVERYTHING.take();
    drop(log);
    assert!(said.contains("owner SecretGet acme/s 200"), "{said}");
    for hidden in ["hush", &token, granted["access_token"].as_str().unwrap(), &world.server.ready.admin_key] {
        assert!(!hidden.is_empty() && !said.contains(hidden), "{hidden}: {said}");
    }
}

/// What a server logs at debug, in a form, of a download of its CA, a probe, and a request to a vault without a token.
fn logged(form: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(&dir.path().join("data"), &["--log-level", "debug", "--log", form]);
    let ready = |name: &str| served.ready[name].as_str().unwrap().to_owned();
    let (identity, ca) = (ready("identity"), std::fs::read_to_string(ready("ca")).unwrap());
    for path in ["/ca.pem", "/health"] {
        http_get(&identity, path);
    }
    let url = format!("https://localhost:{}/secrets/s?api-version=7.4", ready("listen").rsplit_once(':').unwrap().1);
    let agent = TrustStore::default().with_pem(&ca).unwrap().agent();
    agent.get(url).call().ok();
    served.child.kill().unwrap();
    let mut log = String::new();
    served.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log
}

#[test]
fn the_text_log_has_the_line_alone() {
    let log = logged("text");
    let line = |named: &str| log.lines().find(|line| line.contains(named)).unwrap_or_else(|| panic!("{log}"));
    let parts: Vec<_> = line("CaCertificate").split_whitespace().collect();
    assert_eq!(parts[1..6], ["INFO", "-", "CaCertificate", "-", "200"]);
    assert_eq!((parts.len(), parts[7], parts[8]), (9, "ms", "-"), "{parts:?}");
    assert!(line(" Health ").contains(" DEBUG - Health - 200 "), "{log}");
    assert!(line("SecretGet").contains("  INFO - SecretGet local/s 401 Unauthorized "), "{log}");
}

#[test]
fn the_json_log_has_the_members_apart_and_libraries_are_silent() {
    let log = logged("json");
    let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let strange = events.iter().find(|event| !event["target"].as_str().unwrap().starts_with("keyhaven"));
    assert!(strange.is_none(), "{strange:?}");
    let event = events.iter().find(|event| event["fields"]["operation"] == "SecretGet").unwrap();
    assert_eq!((&event["level"], &event["target"]), (&json!("INFO"), &json!(REQUEST_LOG)));
    let fields = event["fields"].as_object().unwrap();
    let text = |name: &str| fields[name].as_str().unwrap();
    let members = ["door", "vault", "object", "error"].map(text);
    assert_eq!(members, ["vault", "local", "s", "Unauthorized"]);
    assert_eq!(fields["status"], 401);
    assert!(fields["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(text("request_id").len(), 36);
    assert!(!fields.contains_key("identity") && !fields.contains_key("missing"), "{fields:?}");
}

#[test]
fn a_stderr_that_is_not_read_does_not_stop_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(&dir.path().join("data"), &["--log-level", "debug"]);
    let identity = served.ready["identity"].as_str().unwrap().to_owned();
    // A pipe holds 64 KiB, and a line has more than 64 bytes.
    for _ in 0..1200 {
        assert!(http_get(&identity, "/health").starts_with("HTTP/1.1 200 "));
    }
    let mut pipe = served.child.stderr.take().unwrap();
    let mut read = vec![0; 32 * 1024];
    pipe.read_exact(&mut read).unwrap();
    http_get(&identity, "/health");
    served.child.kill().unwrap();
    let mut rest = String::new();
    pipe.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" lines of the log were dropped here: nothing read stderr\n"), "{rest}");
    assert!(rest.lines().last().unwrap().contains(" DEBUG - Health - 200 "), "{rest}");
}

/// A vault's name that is missing in the configuration ends as a TLS alert, of which a client says little.
#[test]
fn names_that_are_not_served_over_tls_are_warnings_until_there_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let mut served = Served::start(&dir.path().join("data"), &["--log-level", "warn"]);
    let port = served.ready["listen"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    for number in 0..12 {
        let name = format!("evil-{number}.example:{port}");
        let (resolve, url) = (format!("{name}:127.0.0.1"), format!("https://{name}/"));
        std::process::Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--resolve", &resolve, &url])
            .output()
            .unwrap();
    }
    served.child.kill().unwrap();
    let mut log = String::new();
    served.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let said = "a TLS client asked for a name that is not served here; add it to the aliases of a vault";
    let lines: Vec<_> = log.lines().filter(|line| line.contains(said)).collect();
    assert_eq!(lines.len(), 10, "{log}");
    assert!(lines[0].contains(" WARN ") && lines[0].contains("evil-0.example"), "{log}");
}
