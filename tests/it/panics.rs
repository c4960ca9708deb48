//! A panic in a request is a bug: its request ends with 500 and a line in the log, the server goes on.

use std::sync::Arc;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use keyhaven::testing::{Listener, RequestHandler, shutdown_channel};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn the_server_survives_a_panic() {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let answer: RequestHandler = Arc::new(|request, _| {
        Box::pin(async move {
            assert!(request.uri().path() != "/bug", "a bug");
            keyhaven::testing::text(hyper::StatusCode::OK, "fine")
        })
    });
    let (stopper, stopping) = shutdown_channel();
    let serving = tokio::spawn(
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

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (path, status) in [("/bug", 500), ("/", 200), ("/bug", 500), ("/", 200)] {
        let request = Request::get(path).header("host", "localhost").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status(), status, "on the same connection");
    }
    drop(sender);
    stopper.stop(std::time::Duration::from_secs(1)).await;
    serving.await.unwrap();
}
