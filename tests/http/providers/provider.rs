//! A provider that says whatever the test wants, and browsers that are sent to it and back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use rollcall::config::{Config, Secret};
use rollcall_events::clock::Clock;
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::ConnectOptions;
use tokio::net::TcpListener;

use crate::support::{
    TestApp,
    client::{Answer, Client},
};

pub const CALLBACK: &str = "/api/v2/users/oidc/callback";

/// A JSON answer.
pub struct Json(pub Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([("content-type", "application/json")], self.0.to_string()).into_response()
    }
}

/// What the provider says.
#[derive(Clone)]
pub struct Says {
    /// Over the claims that an honest one would make; null takes a claim away.
    pub claims: Value,
    pub sign: Sign,
    pub userinfo: Option<Value>,
    pub token_status: u16,
    /// Answers with this instead of tokens.
    pub token_answer: Option<Value>,
    pub jwks_hangs: bool,
    /// Over the discovery document; `(absent)` takes a field away.
    pub discovery: Value,
    /// Published beside its own key.
    pub more_keys: Vec<Value>,
    /// Members of the ID token's payload, written behind the others as they stand.
    pub raw_claims: String,
    /// Over the members of the token response.
    pub token_changes: Value,
    /// Signs ID tokens honestly, however it signs userinfo.
    pub token_signed_honestly: bool,
    /// Signs these claims as its userinfo.
    pub signed_userinfo: Option<Value>,
    /// Whole responses, by their path.
    pub raw: BTreeMap<String, Raw>,
}

/// A response: its status, its headers, its body.
#[derive(Clone, Default)]
pub struct Raw {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// How it signs.
#[derive(Clone, Copy, PartialEq)]
pub enum Sign {
    Honestly,
    /// `alg: none`.
    NotAtAll,
    /// HS256, with the public key as the secret.
    WithThePublicKey,
    /// With a key that it does not publish, under the name of the one that it does.
    WithAnotherKey,
    /// With a key that it has begun to publish just now.
    WithANewKey,
}

impl Default for Says {
    fn default() -> Self {
        Self {
            claims: json!({}),
            sign: Sign::Honestly,
            userinfo: None,
            token_status: 200,
            token_answer: None,
            jwks_hangs: false,
            discovery: json!({}),
            more_keys: Vec::new(),
            raw_claims: String::new(),
            token_changes: json!({}),
            token_signed_honestly: false,
            signed_userinfo: None,
            raw: BTreeMap::new(),
        }
    }
}

/// The provider, with a service that trusts it.
pub struct Provider {
    pub app: TestApp,
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    says: Mutex<Says>,
    nonce: Mutex<String>,
    /// The last form that the token endpoint was given.
    token_form: Mutex<String>,
    now: Box<dyn Fn() -> i64 + Send + Sync>,
}

/// A browser: it keeps cookies.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Provider {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let app = TestApp::start_with(|config| {
            config.access_url = Some("https://rollcall.example.com".parse().unwrap());
            config.oidc_issuer_url = Some(issuer.parse().unwrap());
            config.oidc_client_id = Some("rollcall".to_owned());
            config.oidc_client_secret = Some(Secret::new("secret".to_owned()));
            change(config);
        })
        .await;
        let clock = app.clock.clone();
        let inner = Arc::new(Inner {
            issuer,
            says: Mutex::default(),
            nonce: Mutex::default(),
            token_form: Mutex::default(),
            now: Box::new(move || clock.now().timestamp()),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .fallback(async || StatusCode::NOT_FOUND)
            .layer(middleware::from_fn_with_state(Arc::clone(&inner), raw))
            .with_state(Arc::clone(&inner));
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { app, inner }
    }

    /// From now on the provider says this.
    pub fn says(&self, says: Says) {
        *self.inner.says.lock().unwrap() = says;
    }

    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// The last form that the token endpoint was given.
    pub fn token_form(&self) -> BTreeMap<String, String> {
        let form = self.inner.token_form.lock().unwrap();
        url::form_urlencoded::parse(form.as_bytes())
            .into_owned()
            .collect()
    }

    /// The discovery document.
    pub fn document(&self) -> Value {
        self.inner.document(&self.inner.says.lock().unwrap())
    }

    /// Claims over those of somebody called Robin.
    pub fn claims(&self, claims: Value) {
        self.says(Says {
            claims,
            ..Says::default()
        });
    }

    pub fn browser(&self) -> Browser {
        Browser {
            client: self.app.anonymous(),
            cookies: BTreeMap::new(),
        }
    }

    /// A whole sign-in; what comes of it.
    pub async fn sign_in(&self) -> Answer {
        let mut browser = self.browser();
        let state = browser.start(self, "").await;
        browser.come_back(CALLBACK, &state).await
    }

    /// A whole sign-in that succeeds.
    pub async fn signed_in(&self) -> Client {
        let answer = self.sign_in().await;
        assert_eq!(answer.status, 307, "{answer:?}");
        self.app.with_token(session(&answer).unwrap())
    }

    /// How many refused attempts of each status are in the log, and how many sessions and users there are.
    pub async fn counts(&self) -> (i64, i64, i64) {
        let mut conn = self.app.superuser.connect().await.unwrap();
        sqlx::query_as(
            "SELECT (SELECT count(*) FROM log.events WHERE event_type LIKE 'Attempt%')
                  , (SELECT count(*) FROM read.sessions)
                  , (SELECT count(*) FROM read.users)",
        )
        .fetch_one(&mut conn)
        .await
        .unwrap()
    }
}

impl Browser {
    /// Is sent to the provider; the state of the flow.
    pub async fn start(&mut self, provider: &Provider, redirect: &str) -> String {
        let query = self.begin(provider, redirect).await;
        assert_eq!(query["code_challenge_method"], "S256");
        query["state"].clone()
    }

    /// Is sent to the provider; the parameters with which it is.
    pub async fn begin(&mut self, provider: &Provider, redirect: &str) -> BTreeMap<String, String> {
        let answer = self.get(&format!("{CALLBACK}?redirect={redirect}")).await;
        assert_eq!(answer.status, 307, "{answer:?}");
        let location = url::Url::parse(answer.header("location")).unwrap();
        assert!(location.as_str().starts_with(&provider.inner.issuer));
        let query: BTreeMap<_, _> = location.query_pairs().into_owned().collect();
        assert_eq!(query["response_type"], "code");
        assert_eq!(
            query["redirect_uri"],
            format!(
                "{}{CALLBACK}",
                provider.app.app.config.access_url.as_ref().unwrap()
            )
        );
        provider
            .inner
            .nonce
            .lock()
            .unwrap()
            .clone_from(&query["nonce"]);
        query
    }

    /// Comes back from the provider.
    pub async fn come_back(&mut self, callback: &str, state: &str) -> Answer {
        self.get(&format!("{callback}?code=abc&state={state}"))
            .await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let headers = [("Cookie", cookies.as_str())];
        let answer = self
            .client
            .send(Method::GET, path, &headers, Vec::new())
            .await;
        for cookie in answer.cookies() {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap().to_owned();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value);
            }
        }
        answer
    }

    pub fn carries(&self, name: &str) -> bool {
        self.cookies.contains_key(name)
    }

    /// Takes over another browser's cookies.
    pub fn steal(&mut self, other: &Self) {
        self.cookies.clone_from(&other.cookies);
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }
}

/// The session that an answer gives.
pub fn session(answer: &Answer) -> Option<&str> {
    crate::given::cookie_set(answer, "coder_session_token").filter(|token| !token.is_empty())
}

async fn raw(State(inner): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let raw = inner
        .says
        .lock()
        .unwrap()
        .raw
        .get(request.uri().path())
        .cloned();
    let Some(raw) = raw else {
        return next.run(request).await;
    };
    let mut response = Response::builder().status(raw.status);
    for (name, value) in &raw.headers {
        response = response.header(*name, value);
    }
    response.body(raw.body.into()).unwrap()
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Json {
    let says = inner.says.lock().unwrap().clone();
    Json(inner.document(&says))
}

async fn keys(State(inner): State<Arc<Inner>>) -> Response {
    let says = inner.says.lock().unwrap().clone();
    if says.jwks_hangs {
        std::future::pending::<()>().await;
    }
    let mut keys = vec![public(1)];
    if says.sign == Sign::WithANewKey {
        keys = vec![public(3)];
    }
    keys.extend(says.more_keys);
    Json(json!({ "keys": keys })).into_response()
}

async fn token(State(inner): State<Arc<Inner>>, form: Bytes) -> Response {
    *inner.token_form.lock().unwrap() = String::from_utf8(form.to_vec()).unwrap();
    let says = inner.says.lock().unwrap().clone();
    let status = StatusCode::from_u16(says.token_status).unwrap();
    let answer = says.token_answer.clone().unwrap_or_else(|| {
        let mut answer = json!({
            "access_token": "an access token", "token_type": "Bearer", "expires_in": 3600,
            "id_token": inner.id_token(&says),
        });
        overlay(&mut answer, &says.token_changes);
        answer
    });
    (status, Json(answer)).into_response()
}

async fn userinfo(State(inner): State<Arc<Inner>>) -> Response {
    let says = inner.says.lock().unwrap().clone();
    if let Some(claims) = &says.signed_userinfo {
        let token = sign(says.sign, &claims.to_string());
        return ([("content-type", "application/jwt")], token).into_response();
    }
    let userinfo = says.userinfo.clone();
    let userinfo = userinfo.unwrap_or_else(|| json!({ "sub": inner.all_claims(&says)["sub"] }));
    Json(userinfo).into_response()
}

impl Inner {
    fn document(&self, says: &Says) -> Value {
        let issuer = &self.issuer;
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
        });
        overlay(&mut document, &says.discovery);
        document
    }

    fn all_claims(&self, says: &Says) -> Value {
        let now = (self.now)();
        let mut claims = json!({
            "iss": self.issuer, "aud": "rollcall", "sub": "subject-1", "iat": now, "exp": now + 300,
            "nonce": *self.nonce.lock().unwrap(), "email": "robin@example.com", "email_verified": true,
            "preferred_username": "robin", "name": "Robin", "picture": "https://example.com/robin.png",
        });
        overlay(&mut claims, &says.claims);
        claims
    }

    fn id_token(&self, says: &Says) -> String {
        let mut payload = self.all_claims(says).to_string();
        if !says.raw_claims.is_empty() {
            payload.truncate(payload.len() - 1);
            payload += ",";
            payload += &says.raw_claims;
            payload += "}";
        }
        let sign_by = if says.token_signed_honestly {
            Sign::Honestly
        } else {
            says.sign
        };
        sign(sign_by, &payload)
    }
}

fn sign(by: Sign, payload: &str) -> String {
    let (algorithm, key) = match by {
        Sign::Honestly => ("ES256", 1),
        Sign::NotAtAll => ("none", 1),
        Sign::WithThePublicKey => ("HS256", 1),
        Sign::WithAnotherKey => ("ES256", 2),
        Sign::WithANewKey => ("ES256", 3),
    };
    let kid = if key == 3 { "key-3" } else { "key-1" };
    let header = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" });
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(&header.to_string()), part(payload));
    let signature = match by {
        Sign::NotAtAll => Vec::new(),
        Sign::WithThePublicKey => {
            let secret = public(1).to_string();
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        _ => {
            let signature: Signature = private(key).sign(signed.as_bytes());
            signature.to_bytes().to_vec()
        }
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Puts members over those of an object; `(absent)` takes one away.
fn overlay(object: &mut Value, over: &Value) {
    for (name, value) in over.as_object().unwrap() {
        if value == "(absent)" {
            object.as_object_mut().unwrap().remove(name);
        } else {
            object[name] = value.clone();
        }
    }
}

fn private(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).unwrap()
}

fn public(number: u8) -> Value {
    let point = private(number).verifying_key().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": format!("key-{number}"),
        "x": coordinate(point.x().unwrap()), "y": coordinate(point.y().unwrap()),
    })
}
