//! An HTTP endpoint of the drill on this machine: it takes what activities send, and keeps the last body.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use zeroize::Zeroizing;

/// The longest body, in bytes.
const MAX_BODY: u64 = 1024 * 1024;
/// How long a request may take to arrive.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What every request is answered.
const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// The endpoint; it ends when dropped.
pub(super) struct Endpoint {
    address: SocketAddr,
    last: Arc<Mutex<Zeroizing<String>>>,
    is_ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Endpoint {
    /// Opens one on a free port of the loopback address.
    pub(super) fn open() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, last, is_ended) = (listener.local_addr()?, Arc::default(), Arc::<AtomicBool>::default());
        let (kept, ended) = (Arc::clone(&last), is_ended.clone());
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                // A caller that breaks off has sent nothing that counts.
                if let Ok(body) = answered(stream) {
                    *lock(&kept) = body;
                }
            }
        });
        Ok(Self { address, last, is_ended, thread: Some(thread) })
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The body that came last, which is forgotten with that.
    pub(super) fn take(&self) -> Zeroizing<String> {
        std::mem::take(&mut *lock(&self.last))
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        // Ends the wait for a connection.
        let _ = TcpStream::connect_timeout(&self.address, TIMEOUT);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn lock(last: &Mutex<Zeroizing<String>>) -> std::sync::MutexGuard<'_, Zeroizing<String>> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request with a body of known length, answers it, and returns the body.
fn answered(stream: TcpStream) -> std::io::Result<Zeroizing<String>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.by_ref().take(MAX_BODY).read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().map_err(|_| std::io::Error::other(name.to_owned()))?;
        }
    }
    let mut body = Zeroizing::new(String::new());
    reader.by_ref().take(MAX_BODY.min(length)).read_to_string(&mut body)?;
    reader.get_mut().write_all(ANSWER.as_bytes())?;
    Ok(body)
}
