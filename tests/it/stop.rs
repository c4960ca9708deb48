//! A graceful stop: what is in flight is finished, what is idle is closed at once, nothing new is taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use keyhaven::testing::{Listener, RequestHandler, ShutdownTrigger, shutdown_channel};
use tokio::net::{TcpListener, TcpStream};

/// A plain server that takes its time.
async fn server(pause: Duration) -> (std::net::SocketAddr, ShutdownTrigger) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let answer: RequestHandler = Arc::new(move |_, _| {
        Box::pin(async move {
            tokio::time::sleep(pause).await;
            keyhaven::testing::text(hyper::StatusCode::OK, "done")
        })
    });
    let (stopper, stopping) = shutdown_channel();
    tokio::spawn(
        Listener {
            tcp,
            tls: None,
            answer,
            limits: Arc::default(),
            bodies: Arc::default(),
            acknowledges_at_once: false,
        }
        .serve(stopping),
    );
    (address, stopper)
}

async fn connection(address: std::net::SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request() -> Request<Full<Bytes>> {
    Request::get("/").header("host", "localhost").body(Full::default()).unwrap()
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    let (address, stopper) = server(Duration::ZERO).await;
    let mut idle = connection(address).await;
    assert_eq!(idle.send_request(request()).await.unwrap().status(), 200);
    let silent = TcpStream::connect(address).await.unwrap();
    let started = Instant::now();
    stopper.stop(Duration::from_secs(5)).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(TcpStream::connect(address).await.is_err(), "nothing new is taken");
    drop((idle, silent));
}

#[tokio::test]
async fn a_request_in_flight_is_finished() {
    let (address, stopper) = server(Duration::from_millis(300)).await;
    let mut busy = connection(address).await;
    let answer = tokio::spawn(async move { busy.send_request(request()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    stopper.stop(Duration::from_secs(5)).await;
    assert_eq!(answer.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn the_grace_has_an_end() {
    let (address, stopper) = server(Duration::from_secs(60)).await;
    let mut busy = connection(address).await;
    let answer = tokio::spawn(async move { busy.send_request(request()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    stopper.stop(Duration::from_millis(200)).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    answer.abort();
}
