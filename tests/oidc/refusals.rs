//! Who comes by way of the provider and is not let in: no session begins, and nobody becomes a user.

use rollcall_events::user::UserCommand;
use serde_json::json;
use url::Url;

use crate::{
    browser::Browser,
    given::{ME, Service, grace, id},
    provider::{PASSWORD_THERE, Package::Certified},
};

/// That nobody is signed in.
#[track_caller]
fn assert_out(service: &Service, browser: &Browser) {
    let cookies = browser.cookies(&service.at("/"));
    assert!(service.session(browser).is_none(), "{cookies:?}");
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn strangers_stay_out_when_nobody_may_sign_up() {
    let service = Service::start(Certified, |config| config.oidc_allow_signups = false).await;
    let mut browser = Browser::new();
    let page = service.sign_in(&mut browser, "grace").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.count().await, 1);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn the_suspended_get_no_session() {
    let service = Service::with(Certified).await;
    let mut browser = service.signed_in("grace").await;
    let user = id(&service.me(&browser).await);
    service.app.command(user, UserCommand::SuspendUser).await;
    assert_eq!(service.session(&browser).unwrap().get(ME).await.status, 401);
    let events = service.history(user).await;
    browser = Browser::new();
    let page = service.sign_in(&mut browser, "grace").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.history(user).await, events);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn whoever_has_the_e_mail_of_a_user_with_a_password_is_not_that_user() {
    let mut service = Service::with(Certified).await;
    let mut claims = grace();
    claims["email"] = json!("Ada@Example.com");
    service.provider.account("grace", &claims).await;
    let mut browser = Browser::new();
    let page = service.sign_in(&mut browser, "grace").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.count().await, 1);
    let ada = service.app.owner().await.get(ME).await;
    assert_eq!(ada.json["login_type"], "password");
    let history = service.history(id(&ada)).await;
    assert!(
        !history.iter().any(|event| event == "IdentityLinked"),
        "{history:?}"
    );
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn whoever_has_the_e_mail_of_a_user_who_is_another_there_is_not_that_user() {
    let mut service = Service::with(Certified).await;
    service.signed_in("grace").await;
    service.provider.account("mallory", &grace()).await;
    let mut browser = Browser::new();
    let page = service.sign_in(&mut browser, "mallory").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.count().await, 2);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn an_e_mail_that_the_provider_has_not_verified_does_not_count() {
    let mut service = Service::with(Certified).await;
    let mut claims = grace();
    claims["email_verified"] = json!(false);
    service.provider.account("grace", &claims).await;
    let mut browser = Browser::new();
    let page = service.sign_in(&mut browser, "grace").await;
    assert_eq!(page.status, 403, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.count().await, 1);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn who_does_not_allow_it_at_the_provider_comes_back_without() {
    let service = Service::with(Certified).await;
    let mut browser = Browser::new();
    let answers = [
        ("name", "grace"),
        ("password", PASSWORD_THERE),
        ("allowed", "no"),
    ];
    let told = service.answer(&mut browser, &answers).await;
    assert_eq!(query(&told, "error").as_deref(), Some("access_denied"));
    let page = browser.visit(told).await;
    assert_eq!(page.status, 400, "{page:?}");
    assert_out(&service, &browser);
    assert_eq!(service.count().await, 1);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn what_the_provider_told_is_good_once_and_in_the_browser_that_asked() {
    let service = Service::with(Certified).await;
    let (mut browser, mut other) = (Browser::new(), Browser::new());
    let told = service.prove(&mut browser, "grace").await;
    service.prove(&mut other, "grace").await;
    let elsewhere = other.visit(told.clone()).await;
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    assert_out(&service, &other);
    assert_eq!(browser.visit(told.clone()).await.status, 200);
    let user = id(&service.me(&browser).await);
    let events = service.history(user).await;
    let again = browser.visit(told).await;
    assert_eq!(again.status, 401, "{again:?}");
    assert_eq!(service.history(user).await, events);
    service.me(&browser).await;
}

fn query(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(found, _)| found == name)?;
    Some(found.1.into_owned())
}
