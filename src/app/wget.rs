//! A system-wide wgetrc that names our CA bundle. wget is linked with GnuTLS, which reads no CA variable; it reads the system's
//! wgetrc before the user's, and a variable names the file.

use std::path::Path;

use super::error::StartError;
use super::variables::Variables;
use crate::files;

/// A version of wget and its system-wide startup file.
struct Wget {
    /// The variable that overrides the file (wget's `init.c`, wget2's `options.c`).
    variable: &'static str,
    usual: &'static str,
    name: &'static str,
}

const WGETS: [Wget; 2] = [
    Wget { variable: "SYSTEM_WGETRC", usual: "/etc/wgetrc", name: "wgetrc" },
    Wget { variable: "SYSTEM_WGET2RC", usual: "/etc/wget2rc", name: "wget2rc" },
];
/// Settings that would bypass the proxy or name other CAs, normalised as wget compares them.
const REPLACED_SETTINGS: [&str; 5] = ["cacertificate", "httpproxy", "httpsproxy", "noproxy", "useproxy"];

/// Writes the files into `dir` and sets their variables. `own` is the user's environment.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn write(dir: &Path, bundle: &Path, own: &Variables, variables: &mut Variables) -> Result<(), StartError> {
    for wget in &WGETS {
        let before = own.get(wget.variable).map_or(wget.usual, String::as_str);
        let text = std::fs::read(before).unwrap_or_default();
        let path = dir.join(wget.name);
        let written = files::write_unsynced(&path, startup_file(&String::from_utf8_lossy(&text), bundle).as_bytes());
        written.map_err(|error| StartError::new(format!("{}: {error}", path.display())))?;
        variables.insert(wget.variable.to_owned(), path.display().to_string());
    }
    Ok(())
}

/// The system's other settings, then our bundle.
fn startup_file(system: &str, bundle: &Path) -> String {
    let kept = system.lines().filter(|line| !REPLACED_SETTINGS.contains(&setting(line).as_str()));
    kept.chain([format!("ca_certificate = {}", bundle.display()).as_str()]).map(|line| format!("{line}\n")).collect()
}

/// The setting's name on `line` in lower case, without hyphens and underscores.
fn setting(line: &str) -> String {
    let name = line.split('=').next().unwrap_or_default().trim();
    name.chars().filter(|c| !"-_".contains(*c)).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_settings_stay_unless_they_lead_past_the_proxy() {
        let system =
            "# use_proxy = on\npassive_ftp = on\nHTTPS-Proxy=corp:1\nuse_proxy = off\nca_certificate=/corp.pem\n";
        let expected = "# use_proxy = on\npassive_ftp = on\nca_certificate = /tmp/p/bundle.pem\n";
        assert_eq!(startup_file(system, Path::new("/tmp/p/bundle.pem")), expected);
        assert_eq!(startup_file(expected, Path::new("/tmp/p/bundle.pem")), expected, "twice is once");
    }

    #[test]
    fn the_file_that_was_named_before_is_the_one_that_stays() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        std::fs::write(&own, "tries = 1").unwrap();
        let mut variables = Variables::new();
        let environment = Variables::from([("SYSTEM_WGETRC".to_owned(), own.display().to_string())]);
        write(dir.path(), Path::new("/b.pem"), &environment, &mut variables).unwrap();
        let text = std::fs::read_to_string(&variables["SYSTEM_WGETRC"]).unwrap();
        assert_eq!(text, "tries = 1\nca_certificate = /b.pem\n");
        assert!(std::fs::read_to_string(&variables["SYSTEM_WGET2RC"]).unwrap().ends_with("ca_certificate = /b.pem\n"));
    }
}
