//! The program as a node, against the program as a server.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{keyhaven, refused};

pub(super) const RUNTIME: &str = "/subscriptions/6b9e7c1a-0000-4000-8000-000000000002/resourceGroups/keyhaven/providers/Microsoft.DataFactory/\
                       factories/acme/integrationRuntimes/own";

/// A process that is killed when this is dropped.
pub(super) struct Process(Child);

impl Process {
    /// The process that is `child`.
    pub(super) const fn of(child: Child) -> Self {
        Self(child)
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Its command line, as every user of the machine sees it.
    pub(super) fn arguments(&self) -> String {
        let bytes = std::fs::read(format!("/proc/{}/cmdline", self.0.id())).unwrap();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    }

    /// Waits for its end; answers the status and what it has said.
    pub(super) fn ended(mut self) -> (Option<i32>, String) {
        let stderr = self.0.stderr.take().unwrap();
        let said: Vec<String> = BufReader::new(stderr).lines().map_while(Result::ok).collect();
        (self.0.wait().unwrap().code(), said.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server whose data and address stay over restarts, and a home for a node.
pub(super) struct Premises {
    pub(super) dir: TempDir,
    pub(super) ready: Value,
    pub(super) server: Option<Process>,
}

impl Premises {
    pub(super) fn new() -> Self {
        let mut premises = Self { dir: tempfile::tempdir().unwrap(), ready: Value::Null, server: None };
        premises.start("127.0.0.1:0");
        let put = |path: &str, body: Value| assert!(!premises.arm("PUT", path, &body)["id"].is_null());
        put(RUNTIME.split("/integrationRuntimes").next().unwrap(), json!({"location": "East US"}));
        put(RUNTIME, json!({"properties": {"type": "SelfHosted"}}));
        let keys = premises.arm("POST", &format!("{RUNTIME}/listAuthKeys"), &json!({}));
        std::fs::write(premises.path("key.txt"), keys["authKey1"].as_str().unwrap()).unwrap();
        premises
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self, listen: &str) {
        let (file, data) = (self.path("ready.json"), self.path("data"));
        let _ = std::fs::remove_file(&file);
        let mut command = keyhaven(&["serve", "--identity-listen", ":0", "--admin-listen", ":0", "--listen", listen]);
        command.arg("--ready-file").arg(&file).arg("--data").arg(data).args(["--proxy-listen", "127.0.0.1:0"]);
        // What is searched for in the directory is searched for in these too.
        command.args(["--log-level", "trace", "--audit"]).arg(self.path("audit.jsonl"));
        let log = std::fs::File::options().append(true).create(true).open(self.path("server.log")).unwrap();
        self.server = Some(Process(command.stdout(Stdio::null()).stderr(log).spawn().unwrap()));
        self.ready = until("the server is ready", || serde_json::from_slice(&std::fs::read(&file).ok()?).ok());
    }

    fn restart(&mut self) {
        let listen = self.ready["listen"].as_str().unwrap().to_owned();
        let mut server = self.server.take().unwrap();
        server.signal(Signal::TERM);
        let begun = Instant::now();
        assert_eq!(server.0.wait().unwrap().code(), Some(0));
        assert!(begun.elapsed() < Duration::from_secs(4), "a node that waits does not hold it up");
        self.start(&listen);
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap())
    }

    /// A node with these arguments, in the home `node`.
    fn node(&self, args: &[&str]) -> Process {
        self.node_at("node", args)
    }

    /// A node with these arguments, in the home `home`.
    pub(super) fn node_at(&self, home: &str, args: &[&str]) -> Process {
        let mut command = keyhaven(&["node", "--home"]);
        command.arg(self.path(home)).args(args).env("KEYHAVEN_READY_FILE", self.path("ready.json"));
        command.env_remove("SSL_CERT_FILE");
        Process(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    fn registering(&self) -> Process {
        self.node(&["--auth-key-file", self.path("key.txt").to_str().unwrap(), "--name", "n1", "--server", &self.url()])
    }

    pub(super) fn arm(&self, method: &str, path: &str, body: &Value) -> Value {
        let token = self.admin("/admin/identities/default/token", &json!({"resource": "https://management.azure.com"}));
        let token = token["access_token"].as_str().unwrap();
        let port = self.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
        let url = format!("https://arm.localhost:{port}{path}?api-version=2018-06-01");
        let ca = self.ready["ca"].as_str().unwrap();
        curl(&["--cacert", ca, "-X", method, &url], token, body)
    }

    fn admin(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}{path}", self.ready["admin"].as_str().unwrap());
        curl(&["-X", "POST", &url], self.ready["adminKey"].as_str().unwrap(), body)
    }

    pub(super) fn status(&self) -> Value {
        self.arm("POST", &format!("{RUNTIME}/getStatus"), &json!({}))["properties"].clone()
    }

    pub(super) fn is_online(&self) {
        until("the node is online", || (self.status()["state"] == "Online").then_some(()));
    }

    /// What the files of the node hold, as text.
    fn node_files(&self) -> Vec<(PathBuf, String)> {
        let files = std::fs::read_dir(self.path("node")).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.clone(), String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned())).collect()
    }
}

impl Premises {
    /// The status of an answer without a body.
    pub(super) fn arm_status(&self, method: &str, path: &str) -> u16 {
        let token = self.admin("/admin/identities/default/token", &json!({"resource": "https://management.azure.com"}));
        let port = self.ready["listen"].as_str().unwrap().rsplit(':').next().unwrap();
        let url = format!("https://arm.localhost:{port}{path}?api-version=2018-06-01");
        let authorization = format!("authorization: Bearer {}", token["access_token"].as_str().unwrap());
        let args = ["-sS", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "--cacert"];
        let mut command = Command::new("curl");
        command.args(args).arg(self.ready["ca"].as_str().unwrap()).args(["-X", method, "-H", &authorization, &url]);
        String::from_utf8(command.output().unwrap().stdout).unwrap().parse().unwrap()
    }
}

fn curl(args: &[&str], token: &str, body: &Value) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "20", "--noproxy", "*", "-H", "content-type: application/json"]).args(args);
    command.args(["-H", &format!("authorization: Bearer {token}"), "-d", &body.to_string()]);
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {output:?}"))
}

pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_node_registers_once_and_follows_the_server_over_restarts_of_either() {
    let mut premises = Premises::new();
    let node = premises.registering();
    premises.is_online();
    let first = premises.status()["typeProperties"]["nodes"][0].clone();
    assert_eq!((&first["nodeName"], &first["capabilities"]["httpsPortEnabled"]), (&json!("n1"), &json!("False")));
    premises.restart();
    premises.is_online();

    node.signal(Signal::TERM);
    let (code, said) = node.ended();
    assert_eq!(code, Some(0), "{said}");
    for part in
        ["registered", "connected", "the service cannot be reached; this is tried again until it can", "stopping"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let node = premises.node(&["--server", &premises.url()]);
    until("it has started again", || {
        let status = premises.status();
        (status["typeProperties"]["nodes"][0]["lastStartTime"] != first["lastStartTime"]).then_some(())
    });
    premises.restart();
    premises.is_online();
    let shown = premises.status()["typeProperties"]["nodes"].clone();
    assert_eq!(shown.as_array().unwrap().len(), 1, "it has not registered again: {shown}");
    assert_eq!(shown[0]["nodeName"], "n1", "it keeps the name that it registered by");

    let key = std::fs::read_to_string(premises.path("key.txt")).unwrap();
    for (path, text) in premises.node_files() {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        assert!(
            !text.contains(key.rsplit('@').next().unwrap()) && !text.contains("secret"),
            "{}: {text}",
            path.display()
        );
    }
    assert_eq!(mode(&premises.path("node")), 0o700);

    assert_eq!(premises.arm_status("DELETE", &format!("{RUNTIME}/nodes/n1")), 200);
    let (code, said) = node.ended();
    assert_eq!(code, Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert_eq!(
        last,
        "keyhaven: the node was removed from its integration runtime; to register it again give --auth-key-file FILE"
    );
    let home = premises.path("node");
    let unregistered = refused(&["node", "--home", home.to_str().unwrap(), "--server", &premises.url()], 2);
    assert!(unregistered.contains("no node is registered in "), "{unregistered}");
}

#[test]
fn a_node_finds_the_service_through_the_takeover_and_lets_others_in() {
    let premises = Premises::new();
    let key = premises.path("key.txt");
    let mut command = keyhaven(&["node", "--name", "n2", "--remote-access", "on", "--listen", "127.0.0.1:0", "--home"]);
    command.arg(premises.path("node")).arg("--auth-key-file").arg(key);
    for name in ["HTTPS_PROXY", "SSL_CERT_FILE", "NO_PROXY"] {
        command.env(name, premises.ready["env"][name].as_str().unwrap());
    }
    let node = Process(command.stderr(Stdio::piped()).spawn().unwrap());
    premises.is_online();
    let shown = premises.status()["typeProperties"]["nodes"][0].clone();
    assert_eq!(shown["capabilities"]["httpsPortEnabled"], "True");
    let url = shown["hostServiceUri"].as_str().unwrap();
    let mut asking = Command::new("curl");
    let health = asking.args(["-sS", "--noproxy", "*", "--insecure", url]).output().unwrap();
    let health: Value = serde_json::from_slice(&health.stdout).unwrap();
    assert_eq!((&health["node"], &health["version"]), (&json!("n2"), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(health["publicKey"].as_str().unwrap().len() > 300);
    let second = premises.node(&["--server", &premises.url()]);
    let (code, said) = second.ended();
    assert_eq!(code, Some(1));
    assert!(said.contains("another node runs with the home "), "{said}");
    node.signal(Signal::INT);
    assert_eq!(node.ended().0, Some(0));
}

#[test]
fn what_keeps_a_node_from_starting_is_said_in_one_line() {
    let premises = Premises::new();
    let home = premises.path("node").display().to_string();
    let forged = premises.path("forged.txt");
    let key = std::fs::read_to_string(premises.path("key.txt")).unwrap();
    std::fs::write(&forged, format!("{}@AAAA", key.rsplit_once('@').unwrap().0)).unwrap();
    std::fs::write(premises.path("none.txt"), "hunter2").unwrap();
    let none = premises.path("none.txt").display().to_string();
    for (args, status, expected) in [
        (vec!["--server", "https://localhost:1"], 2, "give --auth-key-file FILE the first time"),
        (vec!["--auth-key-file", &none], 2, "holds no authentication key of an integration runtime"),
        (vec!["--auth-key-file", "/none"], 2, "--auth-key-file /none: "),
        (vec!["--server", "http://localhost:1"], 2, "give https://HOST[:PORT]"),
        (vec!["--server", "https://u@localhost/x"], 2, "give https://HOST[:PORT]"),
        (vec!["--certificate", "/none", "--key", "/none"], 2, "the certificate cannot be used: /none"),
    ] {
        let mut all = vec!["node", "--home", &home];
        all.extend(args);
        let said = refused(&all, status);
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
    let url = premises.url();
    let node = premises.node(&["--server", &url, "--auth-key-file", forged.to_str().unwrap()]);
    let (code, said) = node.ended();
    assert_eq!(code, Some(1));
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("keyhaven: the node was refused: The authentication key is invalid"), "{said}");
    assert!(!said.contains("AAAA"));
}

#[test]
fn files_of_another_machine_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("node");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("machine.key"), [7; 32]).unwrap();
    std::fs::write(home.join("keys.json"), "{}").unwrap();
    let said = refused(&["node", "--home", home.to_str().unwrap(), "--server", "https://localhost:1"], 1);
    assert!(
        said.contains(
            "keys.json is damaged, or was sealed on another machine: remove the node from its integration runtime and register it \
             with an empty --home"
        ),
        "{said}"
    );
}

/// The initial file of the document.
pub(super) fn definition() -> Value {
    json!({"properties": {
        "type": "SqlServer",
        "typeProperties": {"connectionString": "Server=S;Database=D;User ID=U;Password=hunter2-of-sql;Timeout=60"},
        "connectVia": {"type": "integrationRuntimeReference", "referenceName": "own"}, "name": "SqlServerLinkedService"
    }})
}

/// The words of the command for the definition in `file`.
pub(super) fn encrypting<'a>(runtime: &'a str, file: &'a str, data: &'a str) -> Vec<&'a str> {
    let words = ["encrypt-linked-service", "--data-factory-name", "acme", "--resource-group-name", "keyhaven"];
    let more = ["--integration-runtime-name", runtime, "--definition-file", file, "--data", data];
    words.into_iter().chain(more).collect()
}

#[test]
fn a_definition_is_encrypted_on_the_node_and_printed_with_a_reference() {
    let premises = Premises::new();
    let key = premises.path("key.txt").display().to_string();
    let url = premises.url();
    let args = ["--auth-key-file", &key, "--server", &url, "--name", "n1", "--listen", "127.0.0.1:0"];
    let node = premises.node(&args);
    premises.is_online();
    let (file, data) = (premises.path("definition.json"), premises.path("data").display().to_string());
    std::fs::write(&file, definition().to_string()).unwrap();
    let file = file.display().to_string();
    let closed = refused(&encrypting("own", &file, &data), 1);
    assert!(
        closed.contains("Remote access is disabled on the node 'n1'. To enable it, start that node with"),
        "{closed}"
    );
    node.signal(Signal::TERM);
    assert_eq!(node.ended().0, Some(0));

    let node = premises.node(&["--server", &url, "--listen", "127.0.0.1:0", "--remote-access", "on"]);
    let info = until("remote access is on", || {
        let info = premises.arm("POST", &format!("{RUNTIME}/getConnectionInfo"), &json!({}));
        info["hostServiceUri"].is_string().then_some(info)
    });
    let output = until("the node knows the key of tokens", || {
        let output = keyhaven(&encrypting("own", &file, &data)).output().unwrap();
        output.status.success().then_some(output)
    });
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut expected = definition();
    expected["properties"]["typeProperties"]["connectionString"] = json!("Server=S;Database=D;User ID=U;Timeout=60");
    let reference = printed["properties"]["typeProperties"]["encryptedCredential"].clone();
    expected["properties"]["typeProperties"]["encryptedCredential"] = reference.clone();
    assert_eq!(printed, expected);
    let reference = decoded(reference.as_str().unwrap());
    let id = reference.split("\"CredentialId\": \"").nth(1).unwrap().split('"').next().unwrap();
    assert!(id.starts_with("DATAFACTORY@"), "{reference}");

    let url = format!("{}credentials", info["hostServiceUri"].as_str().unwrap());
    let kept = curl_insecure(&url, info["serviceToken"].as_str().unwrap());
    assert_eq!(kept, json!({"credentials": [id]}));
    let forged = curl_insecure(&url, "e30.AAAA");
    assert_eq!(forged["error"]["code"], "InvalidServiceToken");

    refuse_what_cannot_be_encrypted(&premises, &data);
    node.signal(Signal::KILL);
    let (_, said) = node.ended();
    assert!(said.contains("a credential was taken, encrypted by its owner"), "{said}");
    let gone = refused(&encrypting("own", &file, &data), 1);
    assert!(gone.contains("the node at https://127.0.0.1:") && gone.contains("cannot be reached: "), "{gone}");
    let node = premises.node(&["--server", &premises.url(), "--listen", "127.0.0.1:0", "--remote-access", "on"]);
    let kept = until("it is there again", || {
        let info = premises.arm("POST", &format!("{RUNTIME}/getConnectionInfo"), &json!({}));
        let url = format!("{}credentials", info["hostServiceUri"].as_str()?);
        let kept = curl_insecure(&url, info["serviceToken"].as_str()?);
        kept["credentials"].is_array().then_some(kept)
    });
    assert_eq!(kept, json!({"credentials": [id]}), "a node that was killed has lost nothing");
    drop(node);
    std::fs::remove_file(premises.path("definition.json")).unwrap();
    assert!(!said.contains("hunter2"));
    let found = Command::new("grep").args(["-rla", "hunter2"]).arg(premises.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the password lies on no disk");
}

#[test]
fn a_credential_that_is_brought_to_the_service_is_encrypted_on_the_node() {
    let premises = Premises::new();
    let service = RUNTIME.replace("integrationRuntimes/own", "linkedservices/sql");
    let refused = premises.arm("PUT", &service, &definition());
    assert!(refused["error"]["message"].as_str().unwrap().ends_with("No online instance.."), "{refused}");
    let (key, url) = (premises.path("key.txt").display().to_string(), premises.url());
    let args = ["--auth-key-file", &key, "--server", &url, "--listen", "127.0.0.1:0", "--remote-access", "on"];
    let node = premises.node(&args);
    premises.is_online();

    let made = premises.arm("PUT", &service, &definition());
    let own = &made["properties"]["typeProperties"];
    assert_eq!(own["connectionString"], "Server=S;Database=D;User ID=U;Timeout=60", "{made}");
    let reference = decoded(own["encryptedCredential"].as_str().unwrap());
    let id = reference.split("\"CredentialId\": \"").nth(1).unwrap().split('"').next().unwrap();
    let info = premises.arm("POST", &format!("{RUNTIME}/getConnectionInfo"), &json!({}));
    let credentials = format!("{}credentials", info["hostServiceUri"].as_str().unwrap());
    let kept = curl_insecure(&credentials, info["serviceToken"].as_str().unwrap());
    assert_eq!(kept, json!({"credentials": [id]}));
    assert_eq!(premises.arm("GET", &service, &Value::Null)["properties"], made["properties"]);

    node.signal(Signal::KILL);
    let (_, said) = node.ended();
    assert!(said.contains("a credential was taken from the service") && !said.contains("hunter2"), "{said}");
    let again = premises.arm("PUT", &service, &json!({"properties": made["properties"]}));
    assert_eq!(again["properties"], made["properties"], "what comes back with its reference needs no node");
    let found = Command::new("grep").args(["-rla", "hunter2"]).arg(premises.dir.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the password lies on no disk");
}

fn refuse_what_cannot_be_encrypted(premises: &Premises, data: &str) {
    let (mut without, mut other, mut plain) = (definition(), definition(), definition());
    without["properties"].as_object_mut().unwrap().remove("connectVia");
    other["properties"]["connectVia"]["referenceName"] = json!("another");
    plain["properties"]["typeProperties"]["connectionString"] = json!("Server=S");
    let path = premises.path("wrong.json");
    let name = path.display().to_string();
    for (text, runtime, status, expected) in [
        (
            without.to_string(),
            "own",
            2,
            "the definition has no connectVia: refer to the integration runtime 'own' there",
        ),
        (other.to_string(), "own", 2, "the definition is connected by 'another', not by 'own'"),
        (plain.to_string(), "own", 2, "the definition holds no credential that could be encrypted"),
        ("{\"hunter2\"".to_owned(), "own", 2, "is no JSON at line 1, column 10"),
        ("{}".to_owned(), "own", 2, "has no properties.typeProperties"),
        (other.to_string(), "another", 1, "The document could not be retrieved because '"),
    ] {
        std::fs::write(&path, text).unwrap();
        let said = refused(&encrypting(runtime, &name, data), status);
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
    std::fs::remove_file(path).unwrap();
}

pub(super) fn decoded(text: &str) -> String {
    use base64::Engine;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}

/// What a node answers to a GET with this token; its certificate is not looked at.
pub(super) fn curl_insecure(url: &str, token: &str) -> Value {
    let authorization = format!("authorization: Bearer {token}");
    let args = ["-sS", "--max-time", "20", "--noproxy", "*", "--insecure", "-H", &authorization, url];
    serde_json::from_slice(&Command::new("curl").args(args).output().unwrap().stdout).unwrap_or_default()
}
