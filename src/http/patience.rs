//! Connections on which nothing moves any more are given up: half a request, an answer that nobody takes, a peer
//! that is gone. Each would otherwise be kept for ever.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// A listener whose connections fail when nothing has moved on them for too long, in either direction.
pub struct Patient<L> {
    listener: L,
    patience: Duration,
}

/// A connection that fails when nothing has moved on it for too long, in either direction.
pub struct PatientIo<Io> {
    io: Io,
    patience: Duration,
    silence: Pin<Box<Sleep>>,
}

impl<L> Patient<L> {
    /// Waits this long for something to move.
    pub fn new(listener: L, patience: Duration) -> Self {
        Self { listener, patience }
    }
}

impl<L: Listener> Listener for Patient<L> {
    type Io = PatientIo<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, address) = self.listener.accept().await;
        let patience = self.patience;
        let silence = Box::pin(sleep(patience));
        (
            PatientIo {
                io,
                patience,
                silence,
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl<Io> PatientIo<Io> {
    /// The connection itself.
    pub fn get_ref(&self) -> &Io {
        &self.io
    }

    /// What came of an attempt to move something: if nothing did, we wait on, but not for ever.
    fn unless_silent<T>(
        &mut self,
        moved: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.silence.as_mut().reset(Instant::now() + self.patience);
            return moved;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for PatientIo<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.unless_silent(read, cx)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for PatientIo<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.unless_silent(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.unless_silent(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Bytes, routing::post};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(200);

    /// A connection to a service of little patience: what is sent to it comes back, and much more than that from `/big`.
    async fn service() -> TcpStream {
        let router = Router::new()
            .route("/", post(|body: Bytes| async move { body }))
            .route("/big", post(|| async { "x".repeat(64 << 20) }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(Patient::new(listener, PATIENCE), router)
                .await
                .unwrap();
        });
        TcpStream::connect(address).await.unwrap()
    }

    /// How long it takes until the service closes the connection.
    async fn until_closed(mut connection: TcpStream) -> Duration {
        let since = Instant::now();
        let mut rest = Vec::new();
        // A reset is an end too.
        drop(connection.read_to_end(&mut rest).await);
        since.elapsed()
    }

    #[tokio::test]
    async fn silence_half_a_head_and_half_a_body_are_given_up() {
        for sent in [
            "",
            "PRI * HT",
            "POST / HT",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
        ] {
            let mut connection = service().await;
            connection.write_all(sent.as_bytes()).await.unwrap();
            let took = until_closed(connection).await;
            assert!(took >= PATIENCE / 2, "{sent:?}: closed after {took:?}");
        }
    }

    #[tokio::test]
    async fn whoever_is_slow_but_moves_is_served() {
        let mut connection = service().await;
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n";
        connection.write_all(head).await.unwrap();
        for byte in b"patience" {
            tokio::time::sleep(PATIENCE / 4).await;
            connection.write_all(&[*byte]).await.unwrap();
        }
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("patience"), "{answer}");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up() {
        let mut connection = service().await;
        let head =
            b"POST /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        connection.write_all(head).await.unwrap();
        tokio::time::sleep(PATIENCE * 4).await;
        let mut taken = Vec::new();
        drop(connection.read_to_end(&mut taken).await);
        assert!(taken.len() < 64 << 20, "all of it waited");
    }
}
