//! `keyhaven ca`: the local CA that clients must trust. It does not show the takeover's CA, which is in the bundles of that
//! server's clients alone.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use super::target::Target;
use super::{Failure, ready_file, variables};
use crate::app::{self, CaCertificate};

/// The mode of an exported certificate, which is public.
const READABLE: u32 = 0o644;

/// Show the local CA, export it, replace it, or say how to trust it.
///
/// It is that of a running server, of --certs, or of the data directory.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CaCommand {
    #[command(subcommand)]
    action: Option<Action>,

    /// The directory of the CA [default: the running server's; DATA/certs]
    #[arg(long, global = true, value_name = "DIR")]
    certs: Option<PathBuf>,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven ca                      which CA it is, and what it may certify
  keyhaven ca export --out ca.pem
  keyhaven ca export --format pkcs12 --out trust.p12
  keyhaven ca install-help";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show its name, fingerprint, validity, what it may certify, and its file
    Show,
    /// Write its certificate, to stdout or to a file
    Export {
        /// The form
        #[arg(long, value_name = "FORMAT", default_value = "pem")]
        format: Format,
        /// Where to write it [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// File with the password of a PKCS#12 store; KEYHAVEN_STORE_PASSWORD may hold it too [default: changeit, as Java
        /// has it; the store holds no secret]
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Remove it, and the takeover's with it: the next start makes new ones, for the names that it has then
    Renew,
    /// Say how each platform and client comes to trust it
    InstallHelp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text between lines of dashes: most programs
    Pem,
    /// The same as bytes: Windows, Android
    Der,
    /// A trust store for Java
    Pkcs12,
}

impl CaCommand {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        if matches!(self.action, Some(Action::Renew)) {
            return self.renew();
        }
        let ca = CaCertificate::read(&self.target.ca(self.certs.as_deref())?).map_err(|error| {
            Failure::failed(format!(
                "{error}; start a server with `keyhaven serve`, or name its --certs, --data or --ready-file"
            ))
        })?;
        match self.action.unwrap_or(Action::Show) {
            Action::Show | Action::Renew => print(ca.describe().map_err(Failure::failed)?.as_bytes()),
            Action::InstallHelp => print(help(ca.path()).as_bytes()),
            Action::Export { format, out, password_file } => {
                let bytes = encode(&ca, format, password_file.as_deref())?;
                match out {
                    None => print(&bytes),
                    Some(file) => crate::files::write(&file, &bytes, READABLE)
                        .map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?,
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Removes the CA of a server that does not run: a running one would go on with it, and give it to no client any more.
    fn renew(self) -> Result<ExitCode, Failure> {
        let path = self.target.ca(self.certs.as_deref())?;
        let server = self.target.ready().ok().filter(|ready| ready.ca == path && ready_file::is_live(ready));
        if let Some(server) = server {
            let why = format!("a server runs with the CA {} (process {}); stop it first", path.display(), server.pid);
            return Err(Failure::failed(why));
        }
        let certs = path.parent().unwrap_or(Path::new("."));
        let data = match &self.certs {
            Some(_) => certs.parent().filter(|dir| dir.join("master.key").exists()).map(Path::to_owned),
            None => Some(self.target.data()?),
        };
        let removed = app::remove_cas(certs, data.as_deref()).map_err(Failure::failed)?;
        let next = "the next start makes a new one; then trust the new ca.pem";
        match removed {
            true => print(format!("removed the CA in {}; {next}\n", certs.display()).as_bytes()),
            false => print(format!("there is no CA in {}; the next start makes one\n", certs.display()).as_bytes()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn encode(ca: &CaCertificate, format: Format, password_file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match format {
        Format::Pem => Ok(ca.pem().into_bytes()),
        Format::Der => Ok(ca.der().to_vec()),
        Format::Pkcs12 => {
            let password = password(password_file)?;
            ca.pkcs12(password.as_ref().map(|text| text.as_str())).map_err(Failure::failed)
        }
    }
}

/// Reads the password from a file or the environment. A flag would show it in the process list.
fn password(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(file) = file else {
        return Ok(variables::non_empty("KEYHAVEN_STORE_PASSWORD"));
    };
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| Failure::failed(format!("{}: {error}", file.display())))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage(format!("{}: the password is empty", file.display())));
    }
    Ok(Some(Zeroizing::new(password.to_owned())))
}

fn print(bytes: &[u8]) {
    // A closed stdout is no failure.
    let _ = std::io::stdout().write_all(bytes);
}

fn help(path: &Path) -> String {
    include_str!("install_help.txt").replace("{ca}", &path.display().to_string())
}
