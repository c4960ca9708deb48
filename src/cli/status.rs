//! `keyhaven status`: a running server at a glance.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{AdminClient, path_segment};
use super::columns::{Columns, NONE, text};
use super::objects::{Kind, count_of, kinds};
use crate::app::ReadyFile;
use crate::clock::{Clock, SystemClock, Timestamp};

/// The vaults that are shown with what they hold; of a server for tests there can be thousands.
const MOST_VAULTS: usize = 20;

/// Show a running server: its addresses, clock, data, and what its vaults hold.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Status {
    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven status
  keyhaven status --json";

impl Status {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let client = &self.client;
        let ready = client.ready()?;
        let status = client.json_request(Method::GET, "/admin/status", None).await?;
        let clock = client.json_request(Method::GET, "/admin/clock", None).await?;
        let names: Vec<&str> = status["vaults"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut vaults = Vec::new();
        for name in names.iter().take(MOST_VAULTS) {
            let path = format!("/admin/vaults/{}", path_segment(name));
            vaults.push(client.json_request(Method::GET, &path, None).await?);
        }
        let shown = to_json(&status, &clock, &vaults, ready.as_ref());
        client.print(&shown, &to_text(&shown, names.len()));
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything that is known, in the names of the admin API and of the ready file.
fn to_json(status: &Value, clock: &Value, vaults: &[Value], ready: Option<&ReadyFile>) -> Value {
    let vaults: Vec<_> =
        vaults.iter().map(|vault| json!({"name": vault["name"], "objects": vault["objects"]})).collect();
    let mut shown = json!({
        "version": status["version"],
        "pid": status["pid"],
        "started": status["started"],
        "tenant": status["tenant"],
        "store": status["store"],
        "data": status["data"],
        "clock": {"now": clock["now"], "clock": clock["clock"], "frozen": clock["frozen"]},
        "vaultCount": status["vaults"].as_array().map(Vec::len),
        "vaults": vaults,
    });
    if let Some(why) = status["degraded"].as_str() {
        shown["degraded"] = why.into();
    }
    for member in ["proxyOff", "following"] {
        if let Some(value) = status.get(member) {
            shown[member] = value.clone();
        }
    }
    if let Some(ready) = ready {
        shown["listen"] = ready.listen.as_str().into();
        shown["identity"] = ready.identity.as_str().into();
        shown["admin"] = ready.admin.clone().into();
        shown["proxy"] = ready.proxy.clone().into();
        shown["ca"] = ready.ca.display().to_string().into();
        shown["memoryBytes"] = memory_of(ready.pid).into();
    }
    shown
}

fn to_text(shown: &Value, vault_count: usize) -> String {
    let mut columns = Columns::without_headings();
    for (name, value) in facts(shown) {
        columns.row([name.to_owned(), value]);
    }
    let headings: Vec<_> = ["vault"].into_iter().chain(kinds().map(Kind::collection)).chain(["deleted"]).collect();
    let mut vaults = Columns::new(&headings);
    for vault in shown["vaults"].as_array().into_iter().flatten() {
        let live = kinds().map(|kind| count_of(vault, kind, "live"));
        let deleted = kinds().map(|kind| count_of(vault, kind, "deleted")).sum();
        let counts = live.chain([deleted]).map(|count| count.to_string());
        vaults.row([text(&vault["name"])].into_iter().chain(counts));
    }
    let more = vault_count.saturating_sub(MOST_VAULTS);
    let more = if more == 0 { String::new() } else { format!("\nand {more} more: keyhaven vault list") };
    format!("{}\n\n{}{more}", columns.text(), vaults.text())
}

fn facts(shown: &Value) -> Vec<(&'static str, String)> {
    let mut facts = vec![("version", text(&shown["version"]))];
    if shown.get("degraded").is_some() {
        facts.push(("degraded", text(&shown["degraded"])));
    }
    facts.push(("running for", running_for(&shown["started"])));
    if let Some(bytes) = shown["memoryBytes"].as_u64() {
        facts.push(("memory", format!("{:.1} MB", bytes as f64 / 1e6)));
    }
    if shown.get("listen").is_some() {
        facts.push(("vaults", text(&shown["listen"])));
        facts.push(("tokens", text(&shown["identity"])));
        facts.push(("admin", text(&shown["admin"])));
        facts.push(("proxy", proxy_in_words(shown)));
        facts.push(("CA", text(&shown["ca"])));
    }
    let data = shown["data"].as_str().map_or_else(|| "in memory alone".to_owned(), str::to_owned);
    facts.push(("data", format!("{data} ({})", text(&shown["store"]))));
    facts.push(("clock", clock_in_words(&shown["clock"])));
    facts.push(("tenant", text(&shown["tenant"])));
    if let Some(following) = shown.get("following") {
        let file = text(&following["file"]);
        let refused = following["refused"].as_str();
        let state = refused.map_or_else(|| file.clone(), |why| format!("{file}, REFUSED as it is now: {why}"));
        facts.push(("follows", state));
    }
    facts
}

fn proxy_in_words(shown: &Value) -> String {
    match (shown["proxy"].as_str(), shown["proxyOff"].as_str()) {
        (Some(address), _) => address.to_owned(),
        (None, Some(why)) => format!("off: {why}"),
        (None, None) => "off".to_owned(),
    }
}

/// `virtual, frozen at 2030-01-01T00:00:00Z`.
fn clock_in_words(clock: &Value) -> String {
    match (clock["clock"].as_str(), clock["frozen"].as_bool()) {
        (Some("virtual"), Some(true)) => format!("virtual, frozen at {}", text(&clock["now"])),
        (Some("virtual"), _) => format!("virtual, now {}", text(&clock["now"])),
        _ => "the machine's".to_owned(),
    }
}

/// The time since the start.
fn running_for(started: &Value) -> String {
    let started = started.as_str().and_then(Timestamp::parse);
    started.map_or_else(|| NONE.to_owned(), |started| duration(SystemClock.now().unix() - started.unix()))
}

/// A time in its two largest units.
pub(super) fn duration(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{} s", seconds.max(0)),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// The resident memory of a process of this machine, where the system says (Linux).
fn memory_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        let words = [5, 65, 3_660, 90_000, -3].map(duration);
        assert_eq!(words, ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h", "0 s"]);
    }

    #[test]
    fn the_clock_is_put_in_words() {
        let clock = |frozen: bool| {
            clock_in_words(&json!({"clock": "virtual", "frozen": frozen, "now": "2030-01-01T00:00:00Z"}))
        };
        assert_eq!(clock(true), "virtual, frozen at 2030-01-01T00:00:00Z");
        assert_eq!(clock(false), "virtual, now 2030-01-01T00:00:00Z");
        assert_eq!(clock_in_words(&json!({"clock": "real"})), "the machine's");
    }
}
