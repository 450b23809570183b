//! The same at another implementation, which asks nothing and has all claims in the ID token.

use serde_json::json;

use crate::{
    given::{Service, grace, id},
    provider::Package::Mock,
    renewing,
};

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn at_another_provider_people_sign_up_come_again_and_change_as_well() {
    let mut service = Service::with(Mock).await;
    let first = service.me(&service.signed_in("grace").await).await;
    assert_eq!(first.json["username"], "grace", "{first:?}");
    let mut claims = grace();
    claims["email"] = json!("hopper@navy.example");
    service.provider.account("grace", &claims).await;
    let second = service.me(&service.signed_in("grace").await).await;
    assert_eq!(id(&first), id(&second));
    assert_eq!(second.json["email"], claims["email"], "{second:?}");
    service
        .provider
        .account(
            "linus",
            &json!({ "email": "linus@example.com", "email_verified": true }),
        )
        .await;
    let third = service.me(&service.signed_in("linus").await).await;
    assert_ne!(id(&first), id(&third));
    assert_eq!(third.json["username"], "linus", "{third:?}");
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn at_another_provider_tokens_are_renewed_as_well() {
    renewing::renews(Mock).await;
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn at_another_provider_sessions_end_when_it_refuses_as_well() {
    renewing::ends_when_refused(Mock).await;
}
