//! A system-wide wgetrc that names our CA bundle. wget is linked with GnuTLS, which reads no CA variable; it reads the system's
//! wgetrc before the user's, and a variable names the file.

use std::path::{Path, PathBuf};

use super::variables::Variables;

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

/// The text of each file that wget would read in the environment `user_variables`, empty where there is none.
pub(super) fn read_startup_files(user_variables: &Variables) -> Vec<String> {
    let path = |wget: &Wget| user_variables.get(wget.variable).map_or(wget.usual, String::as_str).to_owned();
    let read = |path: String| std::fs::read(path).unwrap_or_default();
    WGETS.iter().map(|wget| String::from_utf8_lossy(&read(path(wget))).into_owned()).collect()
}

/// Whether `name` is a variable that names such a file.
pub(super) fn is_variable(name: &str) -> bool {
    WGETS.iter().any(|wget| wget.variable == name)
}

/// Our files in `dir`, made from the `systems`, with their contents.
pub(super) fn startup_files(dir: &Path, bundle: &Path, systems: &[String]) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let files = WGETS.iter().zip(systems);
    files.map(move |(wget, system)| (dir.join(wget.name), startup_file(system, bundle).into_bytes()))
}

/// Sets the variables that name our files in `dir`.
pub(super) fn set_variables(dir: &Path, variables: &mut Variables) {
    variables.extend(WGETS.map(|wget| (wget.variable.to_owned(), dir.join(wget.name).display().to_string())));
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
        let user_file = dir.path().join("wgetrc");
        std::fs::write(&user_file, "tries = 1").unwrap();
        let environment = Variables::from([("SYSTEM_WGETRC".to_owned(), user_file.display().to_string())]);
        let mut files = startup_files(dir.path(), Path::new("/b.pem"), &read_startup_files(&environment))
            .map(|(path, bytes)| (path, String::from_utf8(bytes).unwrap()))
            .collect::<Vec<_>>();
        assert_eq!(files.remove(0), (dir.path().join("wgetrc"), "tries = 1\nca_certificate = /b.pem\n".to_owned()));
        assert!(files[0].1.ends_with("ca_certificate = /b.pem\n"));
    }
}
