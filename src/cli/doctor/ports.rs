//! Whether the default ports are free, and who has them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use super::{DoctorContext, Finding};
use crate::cli::address::{ADMIN_PORT, IDENTITY_PORT, PROXY_PORT, VAULTS_PORT};

const AREA: &str = "ports";

pub(super) fn check(context: &DoctorContext) -> Vec<Finding> {
    if let Some(ready) = &context.server {
        let all = [Some(&ready.listen), Some(&ready.identity), ready.admin.as_ref(), ready.proxy.as_ref()];
        let all: Vec<&str> = all.into_iter().flatten().map(String::as_str).collect();
        let own = Finding::ok(AREA, format!("{} are the server's", all.join(", ")));
        return std::iter::once(own).chain(proxy_off(context)).collect();
    }
    if context.is_elsewhere {
        return vec![Finding::ok(AREA, "the default ones are the server's that answers")];
    }
    let ports = [
        (VAULTS_PORT, "--listen"),
        (IDENTITY_PORT, "--identity-listen"),
        (ADMIN_PORT, "--admin-listen"),
        (PROXY_PORT, "--proxy-listen"),
    ];
    let taken: Vec<_> = ports.iter().filter(|(port, _)| is_taken(*port)).collect();
    if taken.is_empty() {
        let all: Vec<_> = ports.iter().map(|(port, _)| port.to_string()).collect();
        return vec![Finding::ok(AREA, format!("{} are free", all.join(", ")))];
    }
    taken.into_iter().map(|(port, option)| finding(*port, option)).collect()
}

/// The server has no proxy, because its port was taken at the start.
fn proxy_off(context: &DoctorContext) -> Option<Finding> {
    context.status["proxyOff"].as_str()?;
    let (what, remedy) = match is_taken(PROXY_PORT) {
        true => (format!("{PROXY_PORT} is taken by {}", owner_in_words(PROXY_PORT)), "stop it, start the server again"),
        false => (format!("{PROXY_PORT} was taken at the start"), "start the server again"),
    };
    let what = format!("{what}: the server has no proxy, and Azure's names lead to Azure");
    Some(Finding::wrong(AREA, what, format!("{remedy}; or: keyhaven serve --proxy-listen :0")))
}

fn owner_in_words(port: u16) -> String {
    owner_of(port).map_or_else(|| "another program".to_owned(), |(pid, name)| format!("{name} (process {pid})"))
}

/// `serve` goes on without the proxy when its port is taken, and not without another.
fn finding(port: u16, option: &str) -> Finding {
    let what = format!("{port} is taken by {}", owner_in_words(port));
    let remedy = format!("stop it, or: keyhaven serve {option} :0");
    if port == PROXY_PORT { Finding::note(AREA, what, remedy) } else { Finding::wrong(AREA, what, remedy) }
}

fn is_taken(port: u16) -> bool {
    let bound = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// The process that listens at a port, where the system says (Linux, of processes of the same user).
fn owner_of(port: u16) -> Option<(u32, String)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| std::fs::read_to_string(file).unwrap_or_default());
    let inode = tables.iter().find_map(|table| listening_inode(table, port))?;
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut numbered =
        processes.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let (pid, dir) = numbered.find(|(_, dir)| has_descriptor(dir, &link))?;
    let name = std::fs::read_to_string(dir.join("comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

/// The inode of the socket that listens at a port, in the form of `proc_net_tcp(5)`.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    let port = format!(":{port:04X}");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening = fields.filter(|fields| fields.len() > 9 && fields[3] == "0A");
    listening.find(|fields| fields[1].ends_with(&port)).map(|fields| fields[9].to_owned())
}

fn has_descriptor(process: &Path, link: &str) -> bool {
    let descriptors = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    descriptors.into_iter().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_port_is_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert!(is_taken(port));
        if cfg!(target_os = "linux") {
            assert_eq!(owner_of(port).unwrap().0, std::process::id());
        }
        drop(socket);
        assert!(!is_taken(port));
    }
}
