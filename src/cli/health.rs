//! `keyhaven health`: for container health checks and scripts that wait.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Failure;
use super::env::Target;
use super::serve::IDENTITY_PORT;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exit 0 when a running server answers, 1 when not.
///
/// The server is found by its ready file, else at the default address.
#[derive(Debug, Args)]
pub(super) struct Health {
    #[command(flatten)]
    target: Target,
}

impl Health {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let address =
            if self.target.is_told() { self.target.ready()?.identity } else { format!("127.0.0.1:{IDENTITY_PORT}") };
        match timeout(PATIENCE, ask(&address)).await {
            Ok(Ok(StatusCode::OK)) => {
                println!("ok ({address})");
                Ok(ExitCode::SUCCESS)
            }
            Ok(Ok(status)) => Err(Failure::failed(format!("{address} answers {status}"))),
            Ok(Err(error)) => Err(Failure::failed(format!("no server answers at {address}: {error}"))),
            Err(_) => Err(Failure::failed(format!("{address} did not answer within {PATIENCE:?}"))),
        }
    }
}

async fn ask(address: &str) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/health").header(HOST, "localhost").body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?.status())
}
