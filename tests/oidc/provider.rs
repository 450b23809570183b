//! A provider as a process of its own, which ends with the test.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// The name by which the providers know the service.
pub const CLIENT_ID: &str = "rollcall";
/// What proves to them that it is the service: in characters that not every client of OAuth encodes as it should.
pub const CLIENT_SECRET: &str = "half a secret: 50% + a/b?&=";
/// The password of every account there.
pub const PASSWORD_THERE: &str = "secret at the provider";

/// Much longer than anything takes: so that a test that fails does not hang.
const DEADLINE: Duration = Duration::from_secs(30);
/// Where `make test-oidc` puts the packages.
const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/oidc");

/// Whose implementation it is.
#[derive(Clone, Copy)]
pub enum Package {
    /// `oidc-provider`: certified, with a sign-in page and a consent page.
    Certified,
    /// `oauth2-mock-server`: asks nothing.
    Mock,
}

/// A running provider.
pub struct Provider {
    pub issuer: String,
    wishes: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Provider {
    /// Starts one that sends people back to this address.
    pub async fn start(package: Package, redirect_uri: &str) -> Self {
        let script = match package {
            Package::Certified => include_str!("provider/certified.mjs"),
            Package::Mock => include_str!("provider/mock.mjs"),
        };
        assert!(
            Path::new(PACKAGES).join("node_modules").exists(),
            "the providers are missing: run `make test-oidc`"
        );
        let mut process = Command::new("node")
            .args(["--input-type=module", "--eval", script])
            .args([CLIENT_ID, CLIENT_SECRET, redirect_uri])
            .current_dir(PACKAGES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let wishes = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut provider = Self {
            issuer: String::new(),
            wishes,
            answers,
            _process: process,
        };
        provider.issuer = provider.line().await;
        provider
    }

    /// Somebody has an account there, with these claims about them.
    pub async fn account(&mut self, name: &str, claims: &Value) {
        self.wish(&json!({ "account": name, "claims": claims }))
            .await;
    }

    /// Somebody has no account there any more.
    pub async fn close_account(&mut self, name: &str) {
        self.wish(&json!({ "close": name })).await;
    }

    /// The provider signs with another key from now on, and the old one is void.
    pub async fn renew_keys(&mut self) {
        self.wish(&json!({ "renewKeys": true })).await;
    }

    async fn wish(&mut self, wish: &Value) {
        let line = format!("{wish}\n");
        self.wishes.write_all(line.as_bytes()).await.unwrap();
        assert_eq!(self.line().await, "done");
    }

    async fn line(&mut self) -> String {
        let line = timeout(DEADLINE, self.answers.next_line()).await;
        let Some(line) = line.unwrap().unwrap() else {
            panic!("the provider has ended");
        };
        line
    }
}
