//! The server on real sockets, with short time limits.

use std::time::Instant;

use axum::{Router, body::Bytes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use super::*;

const SHORT: Timeouts = Timeouts {
    head: Duration::from_millis(200),
    idle: Duration::from_millis(800),
};
/// As long as it takes, on a busy machine.
const LONG: Duration = Duration::from_mins(1);
const KEEP_ALIVE: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/// A server that echoes bodies, sends a large response to `/big`, and answers `/slow` after a second.
struct Echo {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<()>,
}

async fn echo(request: Request) -> Response {
    use axum::response::IntoResponse;
    let path = request.uri().path().to_owned();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    match path.as_str() {
        "/big" => "x".repeat(64 << 20).into_response(),
        "/slow" => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            "slow".into_response()
        }
        "/refused" => (axum::Extension(SlowDown), "refused").into_response(),
        _ => body.unwrap_or_else(|_| Bytes::new()).into_response(),
    }
}

impl Echo {
    async fn start(timeouts: Timeouts, config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router: Router = Router::new().fallback(echo);
        let server = Server::with_timeouts(router, &config, timeouts);
        let (stop, asked) = oneshot::channel();
        let stopped = tokio::spawn(async move {
            server.accept(&listener, async { drop(asked.await) }).await;
            drop(listener);
            server.finish().await;
        });
        Self {
            address,
            stop,
            stopped,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

async fn quick() -> Echo {
    Echo::start(SHORT, Config::default()).await
}

/// Reads one response to its end: its status line and what follows.
async fn response(connection: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut piece = [0; 1024];
        let length = connection.read(&mut piece).await.unwrap();
        assert_ne!(length, 0, "closed: {}", String::from_utf8_lossy(&text));
        text.extend(&piece[..length]);
    }
    String::from_utf8(text).unwrap()
}

/// What the server still sends until it closes the connection. A reset is an end too.
async fn rest(mut connection: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LONG, connection.read_to_end(&mut rest));
    drop(read.await.expect("it stays open"));
    rest
}

#[tokio::test]
async fn silence_and_half_a_request_are_closed() {
    for sent in [
        "",
        "PRI * HT",
        "POST / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
    ] {
        let server = quick().await;
        let mut connection = server.connect().await;
        let since = Instant::now();
        connection.write_all(sent.as_bytes()).await.unwrap();
        rest(connection).await;
        assert!(since.elapsed() >= SHORT.head / 2, "{sent:?}");
    }
}

/// Sends a byte again and again until the server closes the connection.
async fn drip(mut connection: TcpStream, byte: Vec<u8>) {
    let dripping = async {
        loop {
            tokio::time::sleep(SHORT.head / 10).await;
            if connection.write_all(&byte).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, dripping)
        .await
        .expect("the head may take as long as it likes");
}

#[tokio::test]
async fn a_head_has_its_time_however_it_drips_in() {
    let server = quick().await;
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nA: ").await.unwrap();
    let mut second = server.connect().await;
    second.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
    response(&mut second, "hi").await;
    second.write_all(b"GET / HTTP/1.1\r\nA: ").await.unwrap();
    tokio::join!(drip(first, b"x".into()), drip(second, b"x".into()));
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
    frame.extend(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `GET http://a/`.
const HEAD: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[tokio::test]
async fn a_head_of_http2_has_its_time_as_well() {
    let server = quick().await;
    let settings = frame(4, 0, 0, &[]);
    let half_a_head = |stream| frame(1, END_STREAM, stream, &HEAD[..3]);
    let mut first = server.connect().await;
    let begin = [PREFACE, &settings, &half_a_head(1)].concat();
    first.write_all(&begin).await.unwrap();
    let mut second = server.connect().await;
    let whole = frame(1, END_STREAM | END_HEADERS, 1, HEAD);
    let begin = [PREFACE, &settings, &whole, &half_a_head(3)].concat();
    second.write_all(&begin).await.unwrap();
    // Continuations without an end, each with nothing in it.
    tokio::join!(
        drip(first, frame(9, 0, 1, &[])),
        drip(second, frame(9, 0, 3, &[]))
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_before_it_has_arrived() {
    let server = Echo::start(TIMEOUTS, Config::default()).await;
    let mut connection = server.connect().await;
    connection
        .write_all(b"GET / HTTP/1.1\r\nA: ")
        .await
        .unwrap();
    let mut sent = 0;
    while sent < 16 << 20 && connection.write_all(&[b'x'; 4096]).await.is_ok() {
        sent += 4096;
    }
    assert!(sent < 16 << 20, "all of it was taken");
    let mut connection = server.connect().await;
    let name = "x".repeat(60 << 10);
    let head = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {name}\r\n\r\n");
    connection.write_all(head.as_bytes()).await.unwrap();
    let answer = response(&mut connection, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_connection_between_two_requests_may_be_idle_for_longer_than_a_head_may_take() {
    let server = Echo::start(
        Timeouts {
            idle: LONG,
            ..SHORT
        },
        Config::default(),
    )
    .await;
    let mut connection = server.connect().await;
    for _ in 0..2 {
        connection.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
        response(&mut connection, "hi").await;
        tokio::time::sleep(SHORT.head * 3).await;
    }
    let idle = quick().await;
    let mut connection = idle.connect().await;
    connection.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
    response(&mut connection, "hi").await;
    rest(connection).await;
}

#[tokio::test]
async fn a_body_that_is_slow_but_moves_is_served() {
    let server = quick().await;
    let mut connection = server.connect().await;
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n";
    connection.write_all(head).await.unwrap();
    for byte in b"steadily" {
        tokio::time::sleep(SHORT.idle / 6).await;
        connection.write_all(&[*byte]).await.unwrap();
    }
    let answer = String::from_utf8(rest(connection).await).unwrap();
    assert!(answer.ends_with("steadily"), "{answer}");
}

#[tokio::test]
async fn a_response_that_nobody_takes_is_given_up() {
    let server = quick().await;
    let mut connection = server.connect().await;
    let head = b"POST /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(head).await.unwrap();
    tokio::time::sleep(SHORT.idle * 3).await;
    assert!(rest(connection).await.len() < 64 << 20, "all of it waited");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once_and_places_become_free() {
    let config = Config {
        max_connections: 2,
        ..Config::default()
    };
    let server = Echo::start(TIMEOUTS, config).await;
    let mut open = [server.connect().await, server.connect().await];
    for connection in &mut open {
        connection.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
        response(connection, "hi").await;
    }
    assert_eq!(rest(server.connect().await).await, b"");
    drop(open);
    let asking = async {
        loop {
            let mut connection = server.connect().await;
            drop(connection.write_all(KEEP_ALIVE.as_bytes()).await);
            let mut status = [0; 12];
            if connection.read_exact(&mut status).await.is_ok() {
                return status;
            }
        }
    };
    let status = tokio::time::timeout(LONG, asking).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}

#[tokio::test]
async fn stopping_finishes_whole_requests_and_closes_what_is_none() {
    let server = Echo::start(TIMEOUTS, Config::default()).await;
    let mut whole = server.connect().await;
    let slow = b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    whole.write_all(slow).await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
    response(&mut idle, "hi").await;
    let mut half = Vec::new();
    for sent in [
        "",
        "POST / HT",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /",
    ] {
        let mut connection = server.connect().await;
        connection.write_all(sent.as_bytes()).await.unwrap();
        half.push(connection);
    }
    // By now the server has read what was sent before.
    let mut last = server.connect().await;
    last.write_all(KEEP_ALIVE.as_bytes()).await.unwrap();
    response(&mut last, "hi").await;
    let since = Instant::now();
    server.stop.send(()).unwrap();
    server.stopped.await.unwrap();
    let took = since.elapsed();
    assert!(
        took < LAST_REQUESTS,
        "it waited {took:?} for half a request"
    );
    let answer = String::from_utf8(rest(whole).await).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow"),
        "{answer}"
    );
    for connection in half.into_iter().chain([idle, last]) {
        rest(connection).await;
    }
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_refusal_for_a_client_that_goes_on_is_delayed() {
    let server = Echo::start(TIMEOUTS, Config::default()).await;
    let mut connection = server.connect().await;
    let since = Instant::now();
    connection
        .write_all(b"GET /refused HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    response(&mut connection, "refused").await;
    assert!(since.elapsed() >= Duration::from_secs(1));
}
