//! A bad network between the service and Postgres.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// What the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Carries everything.
    Good,
    /// Cuts every connection, and lets none through.
    Down,
    /// Cuts the connection instead of carrying the next COMMIT; then it is good again.
    LosesCommit,
    /// Carries the next COMMIT, and cuts the connection before the answer, once it is there; then it is good again.
    LosesAnswerToCommit,
    /// The same, and then it is down.
    GoesDownWithAnswerToCommit,
}

/// Carries what a service and Postgres have to say to each other.
pub struct Proxy {
    state: Arc<watch::Sender<Network>>,
    /// How often connections were forgotten, and cut.
    forgotten: Arc<watch::Sender<u64>>,
    cut: Arc<watch::Sender<u64>>,
    socket: Arc<Mutex<PathBuf>>,
    port: u16,
}

impl Proxy {
    /// A good network to the server that these options lead to.
    pub async fn to(server: &PgConnectOptions) -> Self {
        let socket = Arc::new(Mutex::new(socket_of(server)));
        let forgotten = Arc::new(watch::Sender::new(0));
        let cut = Arc::new(watch::Sender::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(Network::Good));
        let (network, target) = (Arc::clone(&state), Arc::clone(&socket));
        let (forgetting, cutting) = (Arc::clone(&forgotten), Arc::clone(&cut));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *network.borrow() != Network::Down {
                    let server = target.lock().unwrap().clone();
                    let carrying = carry(client, server, Arc::clone(&network));
                    let carrying = until_forgotten(forgetting.subscribe(), carrying);
                    tokio::spawn(until_cut(cutting.subscribe(), carrying));
                }
            }
        });
        Self {
            state,
            forgotten,
            cut,
            socket,
            port,
        }
    }

    pub fn becomes(&self, network: Network) {
        self.state.send_replace(network);
    }

    /// Carries nothing more for the connections that there are, and does not close them, as firewalls do.
    pub fn forgets_connections(&self) {
        self.forgotten.send_modify(|times| *times += 1);
    }

    /// New connections lead to another server.
    pub fn leads_to_from_now_on(&self, server: &PgConnectOptions) {
        *self.socket.lock().unwrap() = socket_of(server);
    }

    /// The same, and the connections that there are end.
    pub fn leads_to(&self, server: &PgConnectOptions) {
        self.leads_to_from_now_on(server);
        self.cut.send_modify(|times| *times += 1);
    }

    /// The way to the same database, over this network.
    pub fn options(&self, server: &PgConnectOptions) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(server.get_username())
            .database(server.get_database().unwrap())
            .ssl_mode(PgSslMode::Disable)
    }
}

fn socket_of(server: &PgConnectOptions) -> PathBuf {
    let folder = server.get_socket().unwrap();
    folder.join(format!(".s.PGSQL.{}", server.get_port()))
}

async fn until_cut(mut cut: watch::Receiver<u64>, carrying: impl Future<Output = ()>) {
    tokio::select! {
        () = carrying => {}
        _ = cut.changed() => {}
    }
}

/// A forgotten connection stays open and silent.
async fn until_forgotten(mut forgotten: watch::Receiver<u64>, carrying: impl Future<Output = ()>) {
    let mut carrying = std::pin::pin!(carrying);
    tokio::select! {
        () = &mut carrying => {}
        _ = forgotten.changed() => std::future::pending().await,
    }
}

/// Ends when either side does, or the network cuts it; then both ends are closed.
async fn carry(mut client: TcpStream, socket: PathBuf, network: Arc<watch::Sender<Network>>) {
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return;
    };
    let mut state = network.subscribe();
    let (mut question, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut question) => {
                let Ok(length @ 1..) = read else { return };
                let question = &question[..length];
                let network_now = *network.borrow();
                let loses = question.ends_with(b"COMMIT\0")
                    && !matches!(network_now, Network::Good | Network::Down);
                if loses && network_now == Network::LosesCommit {
                    network.send_replace(Network::Good);
                    return;
                }
                if server.write_all(question).await.is_err() {
                    return;
                }
                if loses {
                    // The answer: it is committed. Nobody will hear it.
                    drop(server.read(&mut answer).await);
                    network.send_replace(match network_now {
                        Network::GoesDownWithAnswerToCommit => Network::Down,
                        _ => Network::Good,
                    });
                    return;
                }
            }
            read = server.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answer[..length]).await.is_err() {
                    return;
                }
            }
            () = is_down(&mut state) => return,
        }
    }
}

async fn is_down(state: &mut watch::Receiver<Network>) {
    drop(state.wait_for(|network| *network == Network::Down).await);
}
