//! Coming by way of the provider: once, again, and when things have changed there.

use serde_json::json;

use crate::{
    browser::Browser,
    given::{ME, SESSION, Service, grace, id},
    provider::{PASSWORD_THERE, Package::Certified},
};

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn who_comes_for_the_first_time_becomes_a_user_and_arrives_where_they_wanted_to_go() {
    let service = Service::with(Certified).await;
    let mut browser = Browser::new();
    let door = browser.visit(service.at("/cli-auth")).await;
    assert_eq!(door.url.path(), "/login");
    let there = browser.visit(door.link("/oidc/callback")).await;
    assert!(
        there.url.as_str().starts_with(&service.provider.issuer),
        "{there:?}"
    );
    let wrong = [("name", "grace"), ("password", "a guess")];
    let again = browser.submit(&there, &wrong).await;
    assert!(again.text.contains("type=\"password\""), "{again:?}");
    let right = [("name", "grace"), ("password", PASSWORD_THERE)];
    let consent = browser.submit(&again, &right).await;
    assert!(consent.text.contains("Allow"), "{consent:?}");
    let arrived = browser.submit(&consent, &[]).await;
    assert_eq!((arrived.status, arrived.url.path()), (200, "/cli-auth"));

    let me = service.me(&browser).await;
    for (field, value) in [
        ("email", "grace@example.com"),
        ("username", "grace"),
        ("name", "Grace Hopper"),
        ("avatar_url", "https://pictures.example.com/grace.png"),
        ("login_type", "oidc"),
        ("status", "active"),
    ] {
        assert_eq!(me.json[field], value, "{me:?}");
    }
    assert_eq!(me.json["roles"], json!([]));
    let history = service.history(id(&me)).await;
    assert_eq!(history, ["UserCreated", "IdentityLinked", "SessionStarted"]);
    let kept = browser.cookies(&service.at("/api/v2/users/oidc/callback"));
    assert!(kept.contains(&SESSION), "{kept:?}");
    assert!(
        !kept.iter().any(|name| name.contains("oauth")),
        "left of the flow: {kept:?}"
    );
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn the_second_time_and_in_another_browser_it_is_the_same_user() {
    let service = Service::with(Certified).await;
    let mut browser = service.signed_in("grace").await;
    let first = service.me(&browser).await;
    // The provider still knows this browser: it asks nothing.
    let page = service.sign_in(&mut browser, "nobody").await;
    assert_eq!(page.status, 200, "{page:?}");
    let second = service.me(&browser).await;
    let other = service.signed_in("grace").await;
    let third = service.me(&other).await;
    assert_eq!([id(&first); 2], [id(&second), id(&third)]);
    assert_eq!(service.count().await, 2);
    let history = service.history(id(&first)).await;
    assert_eq!(history[2..], ["SessionStarted"; 3]);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn who_has_another_e_mail_name_and_picture_there_is_the_same_user_and_has_them_here() {
    let mut service = Service::with(Certified).await;
    let before = service.me(&service.signed_in("grace").await).await;
    let mut claims = grace();
    claims["email"] = json!("hopper@navy.example");
    claims["name"] = json!("Rear Admiral Hopper");
    claims["picture"] = json!("https://pictures.example.com/admiral.png");
    claims["preferred_username"] = json!("admiral");
    service.provider.account("grace", &claims).await;
    let after = service.me(&service.signed_in("grace").await).await;
    assert_eq!(id(&before), id(&after));
    for (field, value) in [
        ("email", &claims["email"]),
        ("name", &claims["name"]),
        ("avatar_url", &claims["picture"]),
        // What others know them by stays.
        ("username", &json!("grace")),
    ] {
        assert_eq!(&after.json[field], value, "{after:?}");
    }
    let history = service.history(id(&after)).await;
    assert_eq!(history[3..], ["ProfileChanged", "SessionStarted"]);
    assert_eq!(service.count().await, 2);
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn the_provider_may_sign_with_another_key_from_one_day_to_the_next() {
    let mut service = Service::with(Certified).await;
    let before = service.me(&service.signed_in("grace").await).await;
    service.provider.renew_keys().await;
    let after = service.me(&service.signed_in("grace").await).await;
    assert_eq!(id(&before), id(&after));
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn two_browsers_that_arrive_at_the_same_moment_are_one_user_with_two_sessions() {
    let service = Service::with(Certified).await;
    let (mut one, mut other) = (Browser::new(), Browser::new());
    let told_one = service.prove(&mut one, "grace").await;
    let told_other = service.prove(&mut other, "grace").await;
    let (page_one, page_other) = tokio::join!(one.visit(told_one), other.visit(told_other));
    assert_eq!((page_one.status, page_other.status), (200, 200));
    let (one, other) = (service.me(&one).await, service.me(&other).await);
    assert_eq!(id(&one), id(&other));
    assert_eq!(service.count().await, 2);
    let history = service.history(id(&one)).await;
    assert_eq!(
        history,
        [
            "UserCreated",
            "IdentityLinked",
            "SessionStarted",
            "SessionStarted"
        ]
    );
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn who_signs_out_is_out_and_can_come_again() {
    let service = Service::with(Certified).await;
    let mut browser = service.signed_in("grace").await;
    let session = service.session(&browser).unwrap();
    let home = browser.visit(service.at("/")).await;
    let out = browser.submit(&home, &[]).await;
    assert_eq!(out.url.path(), "/login", "{out:?}");
    assert!(service.session(&browser).is_none());
    assert_eq!(session.get(ME).await.status, 401);
    let page = service.sign_in(&mut browser, "grace").await;
    assert_eq!(page.status, 200, "{page:?}");
    service.me(&browser).await;
}
