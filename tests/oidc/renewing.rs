//! The provider's word is good for a minute: then the next request asks for it again.

use chrono::TimeDelta;
use futures_util::future::join_all;

use crate::{
    given::{ME, Service, id},
    provider::Package::{self, Certified},
};

/// Longer than the providers' tokens are good for.
const A_WHILE: TimeDelta = TimeDelta::minutes(2);

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn the_request_that_finds_the_providers_token_expired_renews_it_each_time() {
    renews(Certified).await;
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn requests_that_find_it_expired_at_the_same_moment_renew_it_once() {
    let service = Service::with(Certified).await;
    let browser = service.signed_in("grace").await;
    let session = service.session(&browser).unwrap();
    let user = id(&service.me(&browser).await);
    // Of a token that was used twice the provider takes all back: a second use would show in the next round.
    for _ in 0..2 {
        let revision = service.revision(user).await;
        service.app.pass(A_WHILE);
        let answers = join_all((0..8).map(|_| session.get(ME))).await;
        for answer in answers {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        assert_eq!(service.revision(user).await, revision + 1);
    }
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn nodes_that_find_it_expired_at_the_same_moment_take_turns() {
    let service = Service::with(Certified).await;
    let browser = service.signed_in("grace").await;
    let here = service.session(&browser).unwrap();
    let user = id(&service.me(&browser).await);
    let other_node = service.another_node().await;
    let there = other_node.with_token(here.token());
    for _ in 0..2 {
        let revision = service.revision(user).await;
        service.app.pass(A_WHILE);
        let (one, other) = tokio::join!(here.get(ME), there.get(ME));
        assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
        assert_eq!(service.revision(user).await, revision + 1);
    }
}

#[tokio::test]
#[ignore = "needs Node: make test-oidc"]
async fn a_session_ends_when_the_provider_does_not_vouch_for_its_user_any_more() {
    ends_when_refused(Certified).await;
}

/// Lets a token expire twice, each time with a request after it.
pub async fn renews(package: Package) {
    let service = Service::with(package).await;
    let browser = service.signed_in("grace").await;
    let user = id(&service.me(&browser).await);
    let at_first = service.revision(user).await;
    for round in 1..=2 {
        service.app.pass(A_WHILE);
        service.me(&browser).await;
        assert_eq!(service.revision(user).await, at_first + round);
        // It is good again.
        service.me(&browser).await;
        assert_eq!(service.revision(user).await, at_first + round);
    }
}

/// Closes the account at the provider: the session ends with the first request after the token has expired.
pub async fn ends_when_refused(package: Package) {
    let mut service = Service::with(package).await;
    let browser = service.signed_in("grace").await;
    let session = service.session(&browser).unwrap();
    let user = id(&service.me(&browser).await);
    service.provider.close_account("grace").await;
    service.me(&browser).await;
    service.app.pass(A_WHILE);
    let refused = session.get(ME).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    let latest = service.latest(user).await;
    assert_eq!(
        latest["SessionEnded"]["reason"], "provider_refused",
        "{latest}"
    );
    assert_eq!(session.get(ME).await.status, 401);
    let ended = service.history(user).await;
    let ended = ended.iter().filter(|event| *event == "SessionEnded");
    assert_eq!(ended.count(), 1);
}
