//! The reference factory as a program: `cargo run --example factory -- --help`.

mod arguments;

use std::process::ExitCode;

use arguments::{Action, Arguments, Create, Export, Link, Put};
use clap::Parser;
use keyhaven::clock::{Clock, SystemClock, Timestamp};
use keyhaven::factory::{Factory, NewFactory, Refreshed, Renewal, Status, VaultClients};
use keyhaven::remote::{Credential, TrustStore};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("factory: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Outcome {
    let vaults = VaultClients::new(TrustStore::default().agent(), Credential::from_env());
    let now = arguments.now.unwrap_or_else(|| SystemClock.now());
    if let Action::Create(new) = arguments.action {
        return create(&arguments.home, new, vaults, now);
    }
    let factory = Factory::open(&arguments.home, vaults)?;
    match arguments.action {
        Action::Create(_) => {}
        Action::EnableKey { uri, user_assigned_identity } => {
            factory.enable_key(&uri, user_assigned_identity.as_deref())?;
            println!("{uri} is enabled");
        }
        Action::DisableKey => factory.disable_key()?,
        Action::MoveKey { uri } => {
            factory.move_key(&uri)?;
            println!("moved to {uri}");
        }
        Action::Refresh => println!("{}", refreshed(&factory.refresh()?)),
        Action::Put(Put { name, value }) => factory.put(&name, value.or_stdin()?.as_bytes(), now)?,
        Action::Show { name } => print_text(factory.show(&name)?.reveal())?,
        Action::Link(Link { name, definition }) => factory.link(&name, &definition.read()?, now)?,
        Action::Resolve { name } => resolve(&factory, &name)?,
        Action::RequireReferences { off } => factory.require_references(!off)?,
        Action::Export(Export { include_key }) => println!("{:#}", factory.export_template(include_key)?),
        Action::RenewSystemKey { if_due: false } => println!("{}", renewed(&factory.renew_system_key(now)?)),
        Action::RenewSystemKey { if_due: true } => match factory.renew_if_due(now)? {
            Some(renewal) => println!("{}", renewed(&renewal)),
            None => println!("the system key is not due"),
        },
        Action::Status { json: true } => println!("{}", serde_json::to_string_pretty(&factory.status(now)?)?),
        Action::Status { json: false } => print_status(&factory.status(now)?),
    }
    Ok(())
}

fn create(home: &std::path::Path, new: Create, vaults: VaultClients, now: Timestamp) -> Outcome {
    let key = new.key.map(|uri| (uri, new.user_assigned_identity));
    let managed_virtual_network = new.managed_virtual_network;
    let new = NewFactory { name: new.name, tenant: new.tenant, managed_virtual_network, key };
    let factory = Factory::create(home, new, vaults, now)?;
    print_status(&factory.status(now)?);
    Ok(())
}

/// The bytes as they were given, and a line end when it is a person who reads them.
fn print_text(bytes: &[u8]) -> Outcome {
    use std::io::{IsTerminal, Write};
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    if out.is_terminal() {
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn resolve(factory: &Factory, name: &str) -> Outcome {
    for (pointer, credential) in factory.resolve(name)? {
        println!("{pointer}={}", credential.reveal_text().unwrap_or("(no text)"));
    }
    Ok(())
}

fn refreshed(refreshed: &Refreshed) -> String {
    match refreshed {
        Refreshed::Rewrapped { from, to } => format!("re-wrapped: {from} -> {to}"),
        Refreshed::Current => "the latest version is in use already".to_owned(),
        Refreshed::Pinned => "the key's URI names a version, which is kept to; use move-key".to_owned(),
    }
}

fn renewed(renewal: &Renewal) -> String {
    let Renewal { from, to, not_after, moved } = renewal;
    format!("renewed: {from:.12} -> {to:.12}, good until {not_after}; {moved} moved")
}

fn print_status(status: &Status) {
    println!("factory         {} (tenant {})", status.name, status.tenant);
    match &status.customer_key {
        None => println!("customer's key  none"),
        Some(key) => {
            let identity = key.identity.as_deref().unwrap_or("the identity of the environment");
            println!("customer's key  {} as {identity}\n                wrapped by {}", key.uri, key.wrapped_by);
        }
    }
    let system = &status.system_key;
    let due = if system.due { ", due: renew-system-key" } else { "" };
    println!("system key      {:.12}, good until {}{due}", system.thumbprint, system.not_after);
    let only = if status.credentials_only_from_vault {
        "references to vault secrets alone"
    } else {
        "references and secure strings"
    };
    println!("credentials     {only}");
    println!("data            {}", listed(&status.data));
    println!("linked services {}", listed(&status.linked_services));
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
