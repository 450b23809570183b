//! The program as a child process, and a folder for it to work in. Both are gone when the test ends, however it ends.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

use std::{
    fmt,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A master key for databases that are given.
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Much longer than anything takes: so that a test that fails does not hang.
const DEADLINE: Duration = Duration::from_mins(1);
/// Signing in takes no time with these.
const CHEAP_HASHING: [&str; 4] = ["--argon2-memory-kib", "8", "--argon2-passes", "1"];

static FOLDERS: AtomicU32 = AtomicU32::new(1);

/// Waits until there is what `look` looks for.
pub fn eventually<T>(what: impl fmt::Display, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < DEADLINE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A folder of its own in the system's folder for such things.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        let name = format!(
            "rollcall-cli-{}-{}",
            std::process::id(),
            FOLDERS.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of something in it, as an argument.
    pub fn join(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Puts a file into it; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The process of the Postgres server whose data directory is the folder `data` in here, if it runs.
    pub fn postgres(&self) -> Option<Pid> {
        let path = self.0.join("data/postgres/postmaster.pid");
        let text = std::fs::read_to_string(path).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.parse().ok()?);
        kill(pid, None).is_ok().then_some(pid)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A server whose owner was killed still writes for a moment.
        let since = Instant::now();
        while self.postgres().is_some() && since.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(10));
        }
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The program with these arguments, in an empty environment, and in a folder without a configuration.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall"));
    command.args(arguments).current_dir("/").env_clear();
    // The servers' programs are found by it.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null());
    command
}

/// What a program that has ended said.
#[derive(Debug)]
pub struct Said {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Said {
    said(&mut command(arguments))
}

/// Runs a command to its end.
pub fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        status: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// It failed as it should: status 1, nothing on standard output, and one sentence at the end of standard error.
    #[track_caller]
    pub fn failed(&self) -> &str {
        self.ended(1)
    }

    /// It was used wrongly: status 2, and the same.
    #[track_caller]
    pub fn misused(&self) -> &str {
        self.ended(2)
    }

    #[track_caller]
    fn ended(&self, status: i32) -> &str {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let sentences = self
            .err
            .lines()
            .filter(|line| line.starts_with("rollcall: "));
        assert_eq!(sentences.count(), 1, "{self:?}");
        let last = self.err.lines().last().unwrap();
        last.strip_prefix("rollcall: ").unwrap()
    }
}

/// A running `rollcall serve`.
pub struct Program {
    child: Child,
    out: Stream,
    err: Stream,
}

impl Program {
    /// Starts `rollcall serve` with these arguments on a free port, and does not wait for it.
    pub fn launch(arguments: &[&str]) -> Self {
        let mut serve = vec!["serve", "--listen", "127.0.0.1:0"];
        serve.extend(CHEAP_HASHING);
        serve.extend(arguments);
        let mut serve = command(&serve);
        serve.env("ROLLCALL_MASTER_KEY", given_key(arguments));
        // Tests send more in a minute than people do.
        for limit in ["API_RATE_LIMIT", "LOGIN_RATE_LIMIT", "OWN_CHANGE_LIMIT"] {
            serve.env(format!("ROLLCALL_{limit}"), "0");
        }
        Self::launch_command(&mut serve)
    }

    /// Starts any command that becomes `rollcall serve`.
    pub fn launch_command(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            out: Stream::read(child.stdout.take().unwrap()),
            err: Stream::read(child.stderr.take().unwrap()),
            child,
        }
    }

    /// Starts `rollcall serve` on a database that is given and waits until it serves.
    pub fn on(url: &str) -> Self {
        Self::serve(&["--database-url", url])
    }

    /// Starts `rollcall serve` on its own database, in the folder `data`, and waits until it serves.
    pub fn in_folder(folder: &Folder) -> Self {
        Self::serve(&["--data-dir", &folder.join("data")])
    }

    /// Starts `rollcall serve` with these arguments and waits until it serves.
    pub fn serve(arguments: &[&str]) -> Self {
        let mut program = Self::launch(arguments);
        program.address();
        program
    }

    /// Where it serves, once it does.
    pub fn address(&mut self) -> SocketAddr {
        eventually("the address", || {
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "it has ended: {}", self.err.text());
            let out = self.out.text();
            let (line, _) = out.split_once('\n')?;
            let address = line.strip_prefix("Rollcall listens on http://");
            Some(address.unwrap().parse().unwrap())
        })
    }

    /// Its standard output so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Its standard error so far.
    pub fn err(&self) -> String {
        self.err.text()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        eventually("the end of the program", || self.child.try_wait().unwrap())
    }

    /// Asks it to stop, as a service manager does; what it said on standard error.
    #[track_caller]
    pub fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.err());
        self.err.whole()
    }
}

/// Its own database has its own key.
fn given_key(arguments: &[&str]) -> &'static str {
    if arguments.contains(&"--database-url") {
        MASTER_KEY
    } else {
        ""
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What comes out of the program, read as it comes, so that it never has to wait for us.
struct Stream {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Stream {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&text);
        let reader = thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                into.lock().unwrap().extend(&piece[..length]);
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// All of it, when the program has ended.
    fn whole(&mut self) -> String {
        self.reader.take().unwrap().join().unwrap();
        self.text()
    }
}
