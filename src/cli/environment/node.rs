//! Node in a `.env` file. It reads `NODE_EXTRA_CA_CERTS` before any file, and `NODE_OPTIONS` from the one of `--env-file` too: with
//! OpenSSL's authorities it trusts the bundle in `SSL_CERT_FILE`.

use super::Changes;
use crate::app::Variables;

const OPTIONS: &str = "NODE_OPTIONS";
const BUNDLE: &str = "SSL_CERT_FILE";
const OURS: &str = "--use-openssl-ca";
/// The option that Node refuses beside ours.
const OTHER: &str = "--use-bundled-ca";

impl Changes {
    /// Adds the option to the user's own `NODE_OPTIONS`, so that `node --env-file` trusts this server.
    pub(crate) fn trust_in_node(&mut self, own: &Variables) {
        let theirs = own.get(OPTIONS).map(|options| options.trim()).unwrap_or_default();
        let has = |option: &str| theirs.split_whitespace().any(|one| one == option);
        if has(OTHER) {
            let why =
                format!("{OPTIONS} has {OTHER}, with which node --env-file does not trust this server; leave it out");
            return self.notes.push(why);
        }
        if own.contains_key(BUNDLE) {
            self.notes.push(format!("{BUNDLE} of this shell wins over the file's in node --env-file: unset it there"));
        }
        let options = if has(OURS) { theirs.to_owned() } else { format!("{theirs} {OURS}") };
        self.set(OPTIONS, options.trim());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_options_stay_and_the_other_authorities_exclude_ours() {
        let with = |own: Option<&str>| {
            let own = own.map(|options| (OPTIONS.to_owned(), options.to_owned())).into_iter().collect();
            let mut changes = Changes::default();
            changes.trust_in_node(&own);
            (changes.set.remove(OPTIONS), changes.notes.len())
        };
        assert_eq!(with(None), (Some("--use-openssl-ca".to_owned()), 0));
        let merged = "--enable-source-maps --use-openssl-ca".to_owned();
        assert_eq!(with(Some("--enable-source-maps")), (Some(merged.clone()), 0));
        assert_eq!(with(Some(&merged)), (Some(merged), 0), "twice is once");
        assert_eq!(with(Some("--use-bundled-ca")), (None, 1));
        let mut changes = Changes::default();
        changes.trust_in_node(&[(BUNDLE.to_owned(), "/corp.pem".to_owned())].into());
        assert!(changes.notes[0].ends_with(" of this shell wins over the file's in node --env-file: unset it there"));
    }
}
