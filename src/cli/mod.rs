//! The command line: one file for each sub-command. Nothing here exits the process; `main` does.

mod address;
mod admin_url;
mod apply;
mod audit;
mod banner;
mod ca;
mod check;
mod client;
mod clock;
mod clock_choice;
mod columns;
mod completions;
mod credential;
mod doctor;
mod drill;
mod encrypt_linked_service;
mod env;
mod env_format;
mod environment;
mod failed_env;
mod file_limit;
mod headings;
mod health;
mod identity;
mod init;
mod key;
mod known_vaults;
mod log;
mod log_output;
mod man;
mod node;
mod objects;
mod policy;
mod ready_file;
mod reset;
mod run;
mod secret;
mod serve;
mod server_args;
mod show_log;
mod signals;
mod snapshot;
mod stale;
mod status;
mod takeover;
mod target;
mod tip;
mod usage;
mod variables;
mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An Azure Key Vault that runs on your own machine.
///
/// For tests and drills, not for production: HSM keys are software keys here.
#[derive(Debug, Parser)]
#[command(name = "keyhaven", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven run python3 app.py      a program against a private server, unchanged
  keyhaven serve                   a server that stays
  eval \"$(keyhaven env)\"          a shell that uses it

Each command has examples in its own --help.";

// No doc comments: each would replace the long description of its command. `defer`: the options of one command are described,
// not those of all, each time that the program starts.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
enum Command {
    #[command(about = "Start a server and keep it running until it is stopped")]
    Serve(serve::Serve),
    #[command(about = "Start a private server, run COMMAND against it as if it were Azure, and stop")]
    Run(run::Run),
    #[command(about = "Print the environment that programs need to use a running server")]
    Env(env::Env),
    #[command(about = "Exit 0 when a running server answers, 1 when not")]
    Health(health::Health),
    #[command(about = "Show a running server: addresses, clock, data, and what its vaults hold")]
    Status(status::Status),
    #[command(about = "Show the last requests of a running server, or follow them")]
    Log(show_log::LogCommand),
    #[command(about = "Show the audit of a running server: who did what, refused requests too")]
    Audit(audit::AuditCommand),
    #[command(about = "Say what access identities really need, and what Azure Policy finds")]
    Policy(policy::PolicyCommand),
    #[command(about = "Look for what keeps programs from the server, and say what to do")]
    Doctor(doctor::Doctor),
    #[command(about = "Look whether the data in a directory is whole; name what is damaged or missing")]
    Check(check::Check),
    #[command(about = "Bring a running server up to a configuration's file: create and change what it names")]
    Apply(apply::Apply),
    #[command(about = "Write an example of a configuration, and the schema that editors complete it by")]
    Init(init::Init),
    #[command(about = "Show the local CA, export it, replace it, or say how to trust it")]
    Ca(ca::CaCommand),
    #[command(about = "Show or move the clock that vaults live by")]
    Clock(clock::Clock),
    #[command(alias = "secrets", about = "Show, set, delete or recover secrets of a running server's vault")]
    Secret(secret::SecretCommand),
    #[command(alias = "keys", about = "Show, make, rotate, delete or recover keys of a running server's vault")]
    Key(key::KeyCommand),
    #[command(alias = "vaults", about = "Show, make, copy or delete vaults of a running server")]
    Vault(vault::Vault),
    #[command(
        alias = "identities",
        about = "Show, add, remove or revoke identities of a running server, or get a token of one"
    )]
    Identity(identity::Identity),
    #[command(about = "Rehearse key handling: rotation, revocation, recovery, credentials, the factory's own key")]
    Drill(drill::DrillCommand),
    #[command(about = "Encrypt the credentials of a linked service on a node of its integration runtime")]
    EncryptLinkedService(encrypt_linked_service::EncryptLinkedService),
    #[command(about = "Run a node of a data factory's self-hosted integration runtime")]
    Node(node::NodeCommand),
    #[command(about = "Put everything back to what the server's configuration says")]
    Reset(reset::Reset),
    #[command(about = "Save everything a server keeps as one file, or load it again")]
    Snapshot(snapshot::Snapshot),
    #[command(about = "Print what a shell needs to complete commands and options")]
    Completions(completions::Completions),
    #[command(about = "Print the manual page of keyhaven, or of one of its commands")]
    Man(man::ManPage),
}

impl Command {
    /// Whether it looks for a running server. `serve` and `run` start one, `env` and `doctor` say themselves what is
    /// wrong, and `init` and `check` need none.
    const fn finds_a_server(&self) -> bool {
        match self {
            Self::Policy(policy) => policy.finds_a_server(),
            Self::Serve(_) | Self::Run(_) | Self::Env(_) | Self::Init(_) | Self::Check(_) | Self::Doctor(_) => false,
            Self::Node(_) => false,
            _ => true,
        }
    }
}

/// A failed command: the line for stderr and the exit status.
#[derive(Debug)]
pub struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    /// A failure at run time (exit status 1).
    fn failed(message: impl std::fmt::Display) -> Self {
        Self { status: 1, message: message.to_string() }
    }

    /// An invalid command line or configuration (exit status 2).
    fn usage(message: impl std::fmt::Display) -> Self {
        Self { status: 2, message: message.to_string() }
    }

    /// Prints the failure to stderr in one line; returns the exit status.
    pub fn report(&self) -> ExitCode {
        eprintln!("keyhaven: {}", self.message.replace('\n', " "));
        ExitCode::from(self.status)
    }
}

/// Worker threads of the runtime: half the cores. Private-key work has threads of its own, and fewer workers mean fewer
/// wake-ups for each request (on 2 cores, an unwrap costs 15 us besides the cryptography with one worker, 35 us with two).
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// The failure, for [`Failure::report`].
    pub fn execute(self) -> Result<ExitCode, Failure> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(workers()).enable_all().build().map_err(Failure::failed)?;
        if self.command.finds_a_server() {
            stale::warn(None);
        }
        let outcome = runtime.block_on(async {
            match self.command {
                Command::Serve(serve) => serve.execute().await,
                Command::Run(run) => run.execute().await,
                Command::Env(env) => env.execute().await,
                Command::Ca(ca) => ca.execute(),
                Command::Check(check) => check.execute(),
                Command::Apply(apply) => apply.execute().await,
                Command::Init(init) => init.execute(),
                Command::Health(health) => health.execute().await,
                Command::Status(status) => status.execute().await,
                Command::Log(log) => log.execute().await,
                Command::Audit(audit) => audit.execute().await,
                Command::Policy(policy) => policy.execute().await,
                Command::Doctor(doctor) => doctor.execute().await,
                Command::Clock(clock) => clock.execute().await,
                Command::Secret(secret) => secret.execute().await,
                Command::Key(key) => key.execute().await,
                Command::Vault(vault) => vault.execute().await,
                Command::Identity(identity) => identity.execute().await,
                Command::Drill(drill) => drill.execute().await,
                Command::EncryptLinkedService(encrypt) => encrypt.execute().await,
                Command::Node(node) => node.execute().await,
                Command::Reset(reset) => reset.execute().await,
                Command::Snapshot(snapshot) => snapshot.execute().await,
                Command::Completions(completions) => completions.execute(),
                Command::Man(page) => page.execute(),
            }
        });
        runtime.shutdown_timeout(std::time::Duration::from_millis(100));
        outcome
    }
}
