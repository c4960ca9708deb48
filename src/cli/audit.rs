//! `keyhaven audit`: the audit of a running server.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde_json::Value;

use super::Failure;
use super::client::AdminClient;
use super::columns::{Columns, NONE};

/// The time between two looks at the audit of a server.
const INTERVAL: Duration = Duration::from_millis(200);
/// The most records in one answer.
const MOST: u16 = 1000;

/// Show the audit of a running server: a record of each request, sign-in and change, refused ones too.
///
/// The server holds the last 1,000 requests, those with the admin key included; `serve --audit FILE` writes every record
/// into a file. With --json a record is a JSON object on a line, in the schema of Azure Monitor's AuditEvent logs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AuditCommand {
    /// Follow the audit until the server stops
    #[arg(short, long)]
    follow: bool,

    /// How many of the last records are shown, 1000 at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    lines: u16,

    /// Records of this identity: a name, an object id or a client id
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// Records of this vault
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,

    /// Records of this operation, such as SecretGet
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,

    /// Records that ended so: success, refused, or a status such as 403
    #[arg(long, value_name = "RESULT")]
    result: Option<String>,

    /// Records of the key or secret of this name
    #[arg(long, value_name = "NAME")]
    object: Option<String>,

    /// Records from this moment on (RFC 3339)
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,

    #[command(flatten)]
    client: AdminClient,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven audit --result refused        what was refused and missing
  keyhaven audit -f --identity worker    what worker does
  keyhaven audit --vault shop --object api-key
  keyhaven audit -n 1000 --json > audit.jsonl";

impl AuditCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let shown = self.ask(&format!("limit={}", self.lines)).await?;
        if !self.print(&shown, true) || !self.follow {
            return Ok(ExitCode::SUCCESS);
        }
        let mut last = shown["last"].as_u64().unwrap_or_default();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Ok(next) = self.ask(&format!("after={last}&limit={MOST}")).await else {
                eprintln!("keyhaven: the server has stopped");
                return Ok(ExitCode::SUCCESS);
            };
            if let Some(gap) = gap(&next) {
                eprintln!("keyhaven: {gap}");
            }
            if !self.print(&next, false) {
                return Ok(ExitCode::SUCCESS);
            }
            // A server that was started anew on the same port counts from 1 again.
            let newest = next["last"].as_u64().unwrap_or_default();
            last = if newest < last { 0 } else { newest };
        }
    }

    async fn ask(&self, query: &str) -> Result<Value, Failure> {
        let mut path = format!("/admin/audit?{query}");
        for (name, value) in self.filters() {
            let value = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            let _ = write!(path, "&{name}={value}");
        }
        self.client.json_request(Method::GET, &path, None).await
    }

    fn filters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("identity", &self.identity),
            ("vault", &self.vault),
            ("operation", &self.operation),
            ("result", &self.result),
            ("object", &self.object),
            ("since", &self.since),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// Prints the records; answers whether stdout still takes them.
    fn print(&self, answer: &Value, has_headings: bool) -> bool {
        let records = answer["records"].as_array().into_iter().flatten();
        let text = match self.client.json {
            true => records.map(|record| format!("{record}\n")).collect(),
            false => in_columns(records, has_headings),
        };
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_ok()
    }
}

/// What is said before records that follow others which the server did not hold long enough.
fn gap(answer: &Value) -> Option<String> {
    let records = match answer["lost"].as_u64().unwrap_or_default() {
        0 => return None,
        1 => "1 record is".to_owned(),
        lost => format!("{lost} records are"),
    };
    Some(format!("{records} missing here: more came than the server holds; with serve --audit FILE, the file has all"))
}

fn in_columns<'v>(records: impl Iterator<Item = &'v Value>, has_headings: bool) -> String {
    let headings = ["time", "identity", "operation", "object", "status", "result", "request"];
    let mut columns = if has_headings { Columns::new(&headings) } else { Columns::without_headings() };
    let mut is_empty = true;
    for record in records {
        is_empty = false;
        columns.row(cells(record));
    }
    if is_empty { String::new() } else { columns.text() + "\n" }
}

fn cells(record: &Value) -> [String; 7] {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).unwrap_or(NONE).to_owned();
    let properties = &record["properties"];
    let status = properties["httpStatusCode"].as_u64().map_or_else(|| NONE.to_owned(), |status| status.to_string());
    let result = match &record["resultDescription"] {
        Value::String(why) if !why.is_empty() => why.clone(),
        _ => text(&record["resultSignature"]),
    };
    [
        text(&record["time"]),
        text(&properties["identityName"]),
        text(&record["operationName"]),
        object(record),
        status,
        result,
        text(&record["correlationId"]),
    ]
}

/// `VAULT/OBJECT`, a vault's name alone, or nothing.
fn object(record: &Value) -> String {
    let last = |value: &Value| value.as_str().and_then(|id| Some(id.rsplit('/').next()?.to_ascii_lowercase()));
    let resource = record["resourceId"].as_str().unwrap_or_default();
    let Some(vault) = last(&record["resourceId"]).filter(|_| resource.contains("/VAULTS/")) else {
        return NONE.to_owned();
    };
    let id = record["properties"]["id"].as_str().unwrap_or_default();
    // https:, nothing, the host, the collection, the name.
    match id.split('/').nth(4) {
        Some(name) => format!("{vault}/{name}"),
        None => vault,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_that_are_gone_are_counted() {
        let text = "missing here: more came than the server holds; with serve --audit FILE, the file has all";
        assert_eq!(gap(&json!({"lost": 0})), None);
        assert_eq!(gap(&json!({"lost": 1})), Some(format!("1 record is {text}")));
        assert_eq!(gap(&json!({"lost": 40})), Some(format!("40 records are {text}")));
    }

    #[test]
    fn a_record_is_a_row() {
        let record = json!({
            "time": "2026-11-30T11:22:33Z", "operationName": "SecretGet", "resultSignature": "Forbidden",
            "resultDescription": "Forbidden: missing secrets/get", "correlationId": "7",
            "resourceId": "/SUBSCRIPTIONS/1/RESOURCEGROUPS/K/PROVIDERS/MICROSOFT.KEYVAULT/VAULTS/SHOP",
            "properties": {"id": "https://shop.vault.azure.net/secrets/api-key", "httpStatusCode": 403, "identityName": "worker"}
        });
        let expected =
            "2026-11-30T11:22:33Z  worker  SecretGet  shop/api-key  403  Forbidden: missing secrets/get  7\n";
        assert_eq!(in_columns([&record].into_iter(), false), expected);
        assert_eq!(in_columns([].into_iter(), true), "");
    }
}
