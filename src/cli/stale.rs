//! Variables of a server that is gone: a shell has them from `keyhaven env`, an IDE from a `.env` file. They are never an error,
//! because a command may need none of them; a line on stderr names them and what to do.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::environment::FormerVariables;
use super::{ready_file, variables};
use crate::app::Variables;

/// The time limit of a connection to a proxy that may be gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The variable that names the ready file.
pub(super) const READY_FILE: &str = "KEYHAVEN_READY_FILE";
/// One of each kind of variable is shown for its group.
const PROXY: &str = "HTTPS_PROXY";
const BUNDLE: &str = "SSL_CERT_FILE";

/// What to do about a server that is gone, in a shell that has its variables.
pub(super) const START_OR_UNSET: &str =
    "start the server again (keyhaven serve ...), or leave it: eval \"$(keyhaven env --unset)\"";

/// What is stale in an environment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stale {
    /// The variables' names; one is shown for all that name the same.
    pub(super) names: Vec<&'static str>,
    /// What to do.
    pub(super) remedy: &'static str,
}

/// Looks for stale variables in `all`; a ready file at `own` is that of the server that starts.
pub(super) fn find(all: &Variables, own: Option<&Path>) -> Option<Stale> {
    let former = FormerVariables::of(all);
    let named = all.get(READY_FILE).map(Path::new).filter(|file| !file.as_os_str().is_empty());
    let is_gone = |file: &Path| !ready_file::is_live_at(file) && own != Some(file);
    let (ready_gone, restarts) = (named.is_some_and(is_gone), own.is_some() && named == own);
    let stale = [
        (ready_gone, READY_FILE),
        (former.has(PROXY) && !restarts && all.get(PROXY).is_some_and(|url| is_dead(url)), PROXY),
        (former.has(BUNDLE) && all.get(BUNDLE).is_some_and(|file| !Path::new(file).exists()), BUNDLE),
    ];
    let names: Vec<_> = stale.into_iter().filter(|(stale, _)| *stale).map(|(_, name)| name).collect();
    let remedy = match (former.is_empty(), ready_gone) {
        (true, _) => "unset them, or take them anew from `keyhaven env`",
        (false, true) => START_OR_UNSET,
        (false, false) => "take them anew with: eval \"$(keyhaven env)\"",
    };
    (!names.is_empty()).then_some(Stale { names, remedy })
}

/// Prints a line about stale variables of this process; a server that starts with the ready file `own` makes its own good again.
pub(super) fn warn(own: Option<&Path>) {
    if let Some(stale) = find(&variables::all(), own) {
        let (names, remedy) = (stale.names.join(", "), stale.remedy);
        eprintln!("keyhaven: {names}: of a server that is gone, and left aside; {remedy}");
    }
}

/// What to do where no server answers: `otherwise`, unless this shell has the variables of one.
pub(super) fn remedy(otherwise: &'static str) -> &'static str {
    if FormerVariables::of(&variables::all()).is_empty() { otherwise } else { START_OR_UNSET }
}

/// As [`warn`], for a command that starts a server: a ready file is an option of it, and no server to find, unless
/// `keyhaven env` has named it.
pub(super) fn warn_of_shell(own: Option<&Path>) {
    if !FormerVariables::of(&variables::all()).is_empty() {
        warn(own);
    }
}

/// Whether nothing listens at the proxy `url`.
fn is_dead(url: &str) -> bool {
    let address = url.trim_start_matches("http://").trim_end_matches('/').parse::<SocketAddr>();
    address.is_ok_and(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pairs: &[(&str, &str)], own: Option<&str>) -> Option<(Vec<&'static str>, &'static str)> {
        let all = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        find(&all, own.map(Path::new)).map(|stale| (stale.names, stale.remedy))
    }

    #[test]
    fn what_a_shell_has_of_a_server_that_is_gone_is_named_with_what_undoes_it() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let proxy = format!("http://127.0.0.1:{port}");
        let shell = [
            (READY_FILE, "/gone/ready.json"),
            ("HTTPS_PROXY", &proxy),
            ("SSL_CERT_FILE", "/gone/bundle.pem"),
            ("KEYHAVEN_FORMER_UNSET", "KEYHAVEN_READY_FILE HTTPS_PROXY SSL_CERT_FILE"),
        ];
        let (names, remedy) = found(&shell, None).unwrap();
        assert_eq!(names, [READY_FILE, "HTTPS_PROXY", "SSL_CERT_FILE"]);
        assert!(remedy.contains("keyhaven env --unset"), "{remedy}");
        let (names, remedy) = found(&shell[..1], None).unwrap();
        assert_eq!(names, [READY_FILE]);
        assert!(remedy.contains("unset them"), "{remedy}");
        assert_eq!(found(&shell[1..3], None), None, "the user's own");
        let restarted = [shell[0], shell[1], shell[3]];
        assert_eq!(found(&restarted, Some("/gone/ready.json")), None, "the server that starts makes them good again");
        assert_eq!(found(&[], None), None);
    }
}
