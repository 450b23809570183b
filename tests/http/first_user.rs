//! The first user: whoever comes first, and nobody after.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn nobody_is_here_until_the_first_user_comes() {
    let app = TestApp::start().await;
    assert_eq!(app.anonymous().get("/api/v2/users/first").await.status, 404);
    let owner = app.owner().await;
    assert_eq!(app.anonymous().get("/api/v2/users/first").await.status, 200);
    let me = owner.get("/api/v2/users/me").await;
    assert_eq!(
        me.json["roles"],
        json!([{ "name": "owner", "display_name": "Owner" }])
    );
}

#[tokio::test]
async fn of_fifty_that_race_to_be_first_one_is() {
    let app = TestApp::start().await;
    let racers = (0..50).map(|nth| {
        let client = app.anonymous();
        tokio::spawn(async move {
            let wish = json!({ "email": format!("u{nth}@example.com"), "username": format!("u{nth}"), "password": PASSWORD });
            client.post("/api/v2/users/first", &wish).await.status
        })
    });
    let mut statuses = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        statuses.push(racer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(
        statuses[1..].iter().all(|status| *status == 409),
        "{statuses:?}"
    );
}
