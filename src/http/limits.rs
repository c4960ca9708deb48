//! Every bound of the listeners, by name. The configuration's `limits` can change them.

use std::time::Duration;

/// The bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest request body, in bytes.
    pub body_bytes: usize,
    /// The largest body of a restore, in bytes: a backup holds every version.
    pub restore_bytes: usize,
    /// The largest snapshot that is loaded, in bytes, and what all snapshots that are being loaded may take together.
    pub snapshot_bytes: usize,
    /// What all request bodies in flight may take together, in bytes; small ones (64 KiB) may take an eighth of that besides, and
    /// snapshots have [`Limits::snapshot_bytes`] of their own. A body that finds no room waits as long as a head may take.
    /// As much of one body that is refused is read and dropped.
    pub bodies_in_flight_bytes: usize,
    /// The largest request head (HTTP/1.1) or header list (HTTP/2), in bytes.
    pub header_bytes: usize,
    /// The most header fields of a request.
    pub headers: usize,
    /// The most connections open at once on one listener; further ones wait to be accepted.
    pub connections: usize,
    /// The most requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How long a new connection may take for its TLS handshake and its first request head; how long a request may wait for
    /// memory for its body, and how long it may take to send it then, or to send one that is refused.
    pub header_timeout: Duration,
    /// How long a connection may stay without a request.
    pub idle_timeout: Duration,
    /// The most leaf certificates kept; the least used is forgotten and minted anew when it is asked for.
    pub minted_leaves: usize,
    /// The most connections and requests that the proxy carries at once; further ones are refused.
    pub tunnels: usize,
    /// How long the proxy tries to connect.
    pub connect_timeout: Duration,
    /// How long nothing may move in a connection that the proxy carries.
    pub tunnel_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            restore_bytes: 32 * 1024 * 1024,
            snapshot_bytes: 1024 * 1024 * 1024,
            // Four of the largest restores, which take thrice that while they are decoded.
            bodies_in_flight_bytes: 128 * 1024 * 1024,
            header_bytes: 64 * 1024,
            headers: 100,
            connections: 4096,
            streams: 128,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            minted_leaves: 256,
            tunnels: 2048,
            connect_timeout: Duration::from_secs(30),
            tunnel_idle: Duration::from_secs(3600),
        }
    }
}
