//! What these tests begin with: the service on a socket of its own, and a provider that it is configured for.

use std::{future, sync::Arc};

use rollcall::{
    config::{Config, Secret},
    http,
};
use rollcall_events::clock::{Clock, ManualClock, SystemClock};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgConnection};
use tokio::net::TcpListener;
use url::Url;
use uuid::Uuid;

use crate::{
    browser::{Browser, Page},
    provider::{CLIENT_ID, CLIENT_SECRET, PASSWORD_THERE, Package, Provider},
    support::{
        TestApp,
        client::{Answer, Client},
        cluster,
    },
};

pub const CALLBACK: &str = "/api/v2/users/oidc/callback";
pub const ME: &str = "/api/v2/users/me";
pub const SESSION: &str = "coder_session_token";

/// The service with its first user, Ada, who has a password, and a provider at which Grace has an account.
pub struct Service {
    pub app: TestApp,
    pub provider: Provider,
    address: String,
}

impl Service {
    pub async fn with(package: Package) -> Self {
        Self::start(package, |_| {}).await
    }

    /// With another configuration.
    pub async fn start(package: Package, change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut provider = Provider::start(package, &format!("{address}{CALLBACK}")).await;
        provider.account("grace", &grace()).await;
        // The provider has a clock of its own.
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let database = cluster::fresh_database().await;
        let app = TestApp::on(&database, clock, |config| {
            config.access_url = Some(address.parse().unwrap());
            config.oidc_issuer_url = Some(provider.issuer.parse().unwrap());
            config.oidc_client_id = Some(CLIENT_ID.to_owned());
            config.oidc_client_secret = Some(Secret::new(CLIENT_SECRET.to_owned()));
            change(config);
        })
        .await;
        app.owner().await;
        tokio::spawn(http::serve(app.app.clone(), listener, future::pending()));
        Self {
            app,
            provider,
            address,
        }
    }

    /// A second node on the same database, without a socket.
    pub async fn another_node(&self) -> TestApp {
        let name = self.app.database.get_database().unwrap();
        let same = self.app.app.config.clone();
        TestApp::on(name, self.app.clock.clone(), |config| *config = same).await
    }

    /// The address of one of its pages.
    pub fn at(&self, path: &str) -> Url {
        self.address.parse::<Url>().unwrap().join(path).unwrap()
    }

    /// Leaves for the provider and proves there to be this person: the address at which that is to be told.
    pub async fn prove(&self, browser: &mut Browser, name: &str) -> Url {
        let filled = [("name", name), ("password", PASSWORD_THERE)];
        self.answer(browser, &filled).await
    }

    /// The same, with these answers to what the provider asks.
    pub async fn answer(&self, browser: &mut Browser, filled: &[(&str, &str)]) -> Url {
        let ends = |url: &Url| url.as_str().starts_with(self.at(CALLBACK).as_str());
        browser.journey(self.at(CALLBACK), filled, ends).await
    }

    /// Signs this person in by the provider: the page where that ends.
    pub async fn sign_in(&self, browser: &mut Browser, name: &str) -> Page {
        let told = self.prove(browser, name).await;
        browser.visit(told).await
    }

    /// The same in a new browser, which must succeed.
    pub async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = Browser::new();
        let page = self.sign_in(&mut browser, name).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(self.session(&browser).is_some(), "{page:?}");
        browser
    }

    /// Whom the service knows this browser as, if anybody.
    pub fn session(&self, browser: &Browser) -> Option<Client> {
        let token = browser.cookie(&self.at("/"), SESSION)?;
        Some(self.app.with_token(token))
    }

    /// The same, as the API tells it.
    pub async fn me(&self, browser: &Browser) -> Answer {
        let me = self.session(browser).unwrap().get(ME).await;
        assert_eq!(me.status, 200, "{me:?}");
        me
    }

    /// How many users there are, Ada among them.
    pub async fn count(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM read.users")
            .fetch_one(&mut self.look().await)
            .await
            .unwrap()
    }

    /// The types of a user's events, from the first.
    pub async fn history(&self, user: Uuid) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT event_type FROM log.events WHERE aggregate_id = $1 ORDER BY version",
        )
        .bind(user)
        .fetch_all(&mut self.look().await)
        .await
        .unwrap()
    }

    /// What stands, in the open, in a user's latest event.
    pub async fn latest(&self, user: Uuid) -> Value {
        let payload: Vec<u8> = sqlx::query_scalar(
            "SELECT payload FROM log.events WHERE aggregate_id = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(user)
        .fetch_one(&mut self.look().await)
        .await
        .unwrap();
        serde_json::from_slice(&payload).unwrap()
    }

    /// How often a user's tokens of the provider were replaced.
    pub async fn revision(&self, user: Uuid) -> i64 {
        sqlx::query_scalar("SELECT revision FROM vault.provider_tokens WHERE subject_id = $1")
            .bind(user)
            .fetch_one(&mut self.look().await)
            .await
            .unwrap()
    }

    async fn look(&self) -> PgConnection {
        self.app.superuser.connect().await.unwrap()
    }
}

/// What the provider says of Grace.
pub fn grace() -> Value {
    json!({
        "email": "grace@example.com",
        "email_verified": true,
        "preferred_username": "grace",
        "name": "Grace Hopper",
        "picture": "https://pictures.example.com/grace.png",
    })
}

/// The user whom an answer tells of.
pub fn id(user: &Answer) -> Uuid {
    user.json["id"].as_str().unwrap().parse().unwrap()
}
