//! What `serve` prints on stdout when it is ready: what to do next, where everything is, and how long the start took. Without
//! secrets, and of bounded length.

use std::fmt::Write;
use std::time::Duration;

use crate::app::{ObjectCounts, ReadyFile};

/// The most vaults that are listed.
const MAX_VAULTS: usize = 5;

/// What a banner is made from.
pub(super) struct Banner<'a> {
    pub(super) ready: &'a ReadyFile,
    /// Where the data lies; none when it is kept in memory.
    pub(super) data: Option<String>,
    pub(super) counts: ObjectCounts,
    /// The options by which other commands find this server, after a blank; empty when they need none.
    pub(super) target: String,
    /// Whether a configuration says which identity may do what.
    pub(super) has_policies: bool,
    /// How long the start took.
    pub(super) took: Duration,
}

impl Banner<'_> {
    /// The lines.
    pub(super) fn text(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("keyhaven {version} is ready ({} ms)\n", self.took.as_millis());
        for (name, value) in self.lines() {
            let _ = writeln!(text, "  {name:<17} {value}");
        }
        text
    }

    fn lines(&self) -> Vec<(String, String)> {
        let (ready, target) = (self.ready, &self.target);
        let url = |address: &String| format!("http://{address}");
        let data = self.data.as_deref().unwrap_or("in memory, gone when the server stops");
        let as_another = if self.has_policies { " [--identity NAME]" } else { "" };
        let first = [
            ("programs use", ready.env.get("VAULT_URL").cloned().unwrap_or_default()),
            ("in their shell", format!("eval \"$(keyhaven env{target})\"")),
            ("look inside", format!("keyhaven secret list{target}{as_another}")),
            ("data", format!("{data} ({})", self.counts)),
        ];
        let last = [
            ("managed identity", Some(url(&ready.identity))),
            ("admin API", ready.admin.as_ref().map(url)),
            ("takeover proxy", ready.proxy.as_ref().map(url)),
            ("tenant", Some(ready.tenant.to_string())),
            ("CA certificate", Some(ready.ca.display().to_string())),
        ];
        let last = last.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let named = |(name, value): (&str, String)| (name.to_owned(), value);
        first.into_iter().map(named).chain(self.vaults()).chain(last.map(named)).collect()
    }

    fn vaults(&self) -> Vec<(String, String)> {
        let all = &self.ready.vaults;
        let mut lines: Vec<_> =
            all.iter().take(MAX_VAULTS).map(|(name, url)| (format!("vault {name}"), url.clone())).collect();
        if all.len() > MAX_VAULTS {
            lines.push((
                "other vaults".to_owned(),
                format!("{}, see keyhaven vault list{}", all.len() - MAX_VAULTS, self.target),
            ));
        }
        lines
    }
}
