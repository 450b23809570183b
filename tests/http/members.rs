//! The members of an organisation, and their roles there: who sees, adds, removes and empowers whom.

use axum::http::Method;
use chrono::TimeDelta;
use rollcall_events::user::{OrganizationRole, Role, UserCommand};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    given::{
        ME, NEVER, USERS, assert_refused, history, member, usernames, with_role, wrong_fields,
    },
    organizations::{NOT_FOUND, ORGANIZATIONS, member_of, organization},
    support::{
        TestApp,
        client::{Answer, Client},
    },
};

/// A club of Bob, who runs it, and Carol, beside the default organisation of Ada and Dora.
struct Club {
    app: TestApp,
    /// Ada, who belongs to the club too: she made it.
    owner: Client,
    id: Uuid,
    bob: Uuid,
    /// Bob, who runs the club, and belongs nowhere else.
    admin: Client,
    carol: Uuid,
    /// Carol, who only belongs to it.
    plain: Client,
    dora: Uuid,
    /// Dora, who does not.
    outsider: Client,
}

impl Club {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let owner = app.owner().await;
        let id = organization(&owner, "club").await;
        let (bob, admin) = member_of(&app, &owner, "bob", id).await;
        let (carol, plain) = member_of(&app, &owner, "carol", id).await;
        let (dora, outsider) = member(&app, &owner, "dora").await;
        let club = Self {
            app,
            owner,
            id,
            bob,
            admin,
            carol,
            plain,
            dora,
            outsider,
        };
        club.empower(bob, id, OrganizationRole::Admin).await;
        club
    }

    async fn empower(&self, user: Uuid, organization_id: Uuid, role: OrganizationRole) {
        let roles = [role].into();
        let command = UserCommand::AssignOrganizationRoles {
            organization_id,
            roles,
        };
        self.app.command(user, command).await;
    }

    /// Somebody who belongs to the club with this role, signed in.
    async fn with_role(&self, username: &str, role: OrganizationRole) -> Client {
        let (id, client) = member_of(&self.app, &self.owner, username, self.id).await;
        self.empower(id, self.id, role).await;
        client
    }

    /// Who runs another organisation, and belongs to no other.
    async fn rival(&self) -> (Uuid, Client) {
        let id = organization(&self.owner, "rivals").await;
        let (rita, client) = member_of(&self.app, &self.owner, "rita", id).await;
        self.empower(rita, id, OrganizationRole::Admin).await;
        (id, client)
    }

    async fn roles_of(&self, username: &str) -> Value {
        let path = format!("{USERS}/{username}/roles");
        self.owner.get(&path).await.json["organization_roles"][self.id.to_string()].clone()
    }
}

fn members() -> String {
    format!("{ORGANIZATIONS}/club/members")
}

fn place(user: &str) -> String {
    format!("{ORGANIZATIONS}/club/members/{user}")
}

fn roles_path(user: &str) -> String {
    format!("{ORGANIZATIONS}/club/members/{user}/roles")
}

fn wish(roles: &[&str]) -> Value {
    json!({ "roles": roles })
}

async fn add(client: &Client, path: &str) -> Answer {
    client.send(Method::POST, path, &[], Vec::new()).await
}

/// The usernames in a list of members.
fn listed(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let members = match &answer.json {
        Value::Array(members) => members,
        page => page["members"].as_array().unwrap(),
    };
    members
        .iter()
        .map(|member| member["username"].as_str().unwrap())
        .collect()
}

/// The names of roles in a member.
fn roles_in(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let roles = answer.json["roles"].as_array().unwrap();
    roles
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect()
}

// Seeing.

#[tokio::test]
async fn members_are_listed_by_username_with_who_they_are() {
    let club = Club::new().await;
    let path = format!("{ORGANIZATIONS}/{}/members/", club.id);
    let list = club.owner.get(&path).await;
    assert_eq!(listed(&list), ["ada", "bob", "carol"]);
    let user = club.owner.get(&format!("{USERS}/bob")).await.json;
    let bob = &list.json[1];
    let joined = bob["created_at"].clone();
    assert_ne!(joined, NEVER);
    assert_eq!(
        *bob,
        json!({
            "user_id": club.bob,
            "organization_id": club.id,
            "created_at": joined,
            "updated_at": bob["updated_at"],
            "roles": [{
                "name": "organization-admin",
                "display_name": "Organization Admin",
                "organization_id": club.id,
            }],
            "username": "bob",
            "avatar_url": "",
            "email": "bob@example.com",
            "status": "active",
            "login_type": "password",
            "last_seen_at": user["last_seen_at"],
            "user_created_at": user["created_at"],
            "user_updated_at": user["updated_at"],
            "global_roles": [],
            "has_ai_seat": false,
        })
    );
    assert_eq!(
        list.json[0]["global_roles"],
        json!([{ "name": "owner", "display_name": "Owner" }])
    );
}

#[tokio::test]
async fn a_list_follows_names_roles_and_who_goes() {
    let club = Club::new().await;
    club.app.user(&club.owner, "zoe").await;
    assert_eq!(add(&club.owner, &place("zoe")).await.status, 200);
    let profile = json!({ "username": "Aaron", "name": "Aaron A." });
    let renamed = club
        .owner
        .put(&format!("{USERS}/zoe/profile"), &profile)
        .await;
    assert_eq!(renamed.status, 200, "{renamed:?}");
    let list = club.owner.get(&members()).await;
    assert_eq!(listed(&list), ["Aaron", "ada", "bob", "carol"]);
    assert_eq!(list.json[0]["name"], "Aaron A.");
    club.app.command(club.bob, UserCommand::DeleteUser).await;
    assert_eq!(
        listed(&club.owner.get(&members()).await),
        ["Aaron", "ada", "carol"]
    );
}

#[tokio::test]
async fn members_are_listed_page_by_page_with_how_many_there_are() {
    let club = Club::new().await;
    let page = async |query: &str| {
        let path = format!("{ORGANIZATIONS}/club/paginated-members{query}");
        club.owner.get(&path).await
    };
    let all = ["ada", "bob", "carol"];
    let (bob, ghost) = (club.bob, Uuid::from_u128(1));
    for (query, expected, count) in [
        (String::new(), &all[..], 3),
        ("?limit=0".to_owned(), &all, 3),
        ("?limit=2".to_owned(), &all[..2], 3),
        ("?limit=2&offset=2".to_owned(), &all[2..], 3),
        ("?limit=2000&offset=1".to_owned(), &all[1..], 3),
        ("?offset=2".to_owned(), &all[2..], 3),
        ("?limit=2&offset=3".to_owned(), &[], 0),
        ("?offset=3".to_owned(), &[], 0),
        (format!("?limit=5&after_id={bob}"), &all[2..], 1),
        (format!("?after_id={bob}"), &all[2..], 1),
        (format!("?limit=5&after_id={ghost}"), &[], 0),
    ] {
        let answer = page(&query).await;
        assert_eq!(listed(&answer), expected, "{query}");
        assert_eq!(answer.json["count"], count, "{query}");
        assert_eq!(answer.json.as_object().unwrap().len(), 2);
    }
    let wrong = page("?limit=-1&offset=x&after_id=bogus").await;
    assert_eq!(wrong_fields(&wrong), ["after_id", "limit", "offset"]);
}

#[tokio::test]
async fn pages_by_cursor_and_by_offset_are_the_same() {
    let club = Club::new().await;
    for nth in 0..20 {
        member_of(
            &club.app,
            &club.owner,
            &format!("member{}", nth * 7 % 20),
            club.id,
        )
        .await;
    }
    let whole = club.owner.get(&members()).await;
    let all = listed(&whole);
    assert_eq!(all.len(), 23);
    for size in [3, 5, 7, 10] {
        let (mut cursor, mut by_cursor, mut by_offset) = (Uuid::nil(), Vec::new(), Vec::new());
        while by_cursor.len() < all.len() {
            let start = by_cursor.len();
            let path = format!("{ORGANIZATIONS}/club/paginated-members?limit={size}");
            let next = club.owner.get(&format!("{path}&after_id={cursor}")).await;
            let same = club.owner.get(&format!("{path}&offset={start}")).await;
            assert_eq!(next.json["members"], same.json["members"]);
            let last = next.json["members"].as_array().unwrap().last().unwrap();
            cursor = last["user_id"].as_str().unwrap().parse().unwrap();
            by_cursor.extend(listed(&next).into_iter().map(str::to_owned));
            by_offset.extend(listed(&same).into_iter().map(str::to_owned));
        }
        assert_eq!(by_cursor, all);
        assert_eq!(by_offset, all);
    }
}

#[tokio::test]
async fn who_belongs_sees_themselves_and_who_runs_or_reads_sees_all() {
    let club = Club::new().await;
    let paged = format!("{ORGANIZATIONS}/club/paginated-members?limit=5");
    let unpaged = format!("{ORGANIZATIONS}/club/paginated-members");
    for path in [&members(), &paged, &unpaged] {
        assert_eq!(listed(&club.plain.get(path).await), ["carol"], "{path}");
    }
    assert_eq!(club.plain.get(&paged).await.json["count"], 1);
    let beyond = format!("{paged}&after_id={}", club.bob);
    assert_eq!(listed(&club.plain.get(&beyond).await), [""; 0]);
    let mut readers = vec![club.owner.clone(), club.admin.clone()];
    for (name, role) in [
        ("orga", OrganizationRole::UserAdmin),
        ("orgb", OrganizationRole::Auditor),
        ("orgc", OrganizationRole::TemplateAdmin),
    ] {
        readers.push(club.with_role(name, role).await);
    }
    for (name, role) in [
        ("sitea", Role::UserAdmin),
        ("siteb", Role::Auditor),
        ("sitec", Role::TemplateAdmin),
    ] {
        readers.push(with_role(&club.app, &club.owner, name, role).await);
    }
    let all = ["ada", "bob", "carol", "orga", "orgb", "orgc"];
    for reader in readers {
        for path in [&members(), &unpaged] {
            assert_eq!(listed(&reader.get(path).await), all);
        }
    }
}

#[tokio::test]
async fn the_roles_of_an_organization_are_told_with_who_may_give_them() {
    let club = Club::new().await;
    let path = format!("{ORGANIZATIONS}/club/members/roles");
    let auditor = with_role(&club.app, &club.owner, "audit", Role::Auditor).await;
    let user_admin = with_role(&club.app, &club.owner, "users", Role::UserAdmin).await;
    for (client, assignable) in [
        (&club.owner, true),
        (&club.admin, true),
        (&club.plain, false),
        (&auditor, false),
        (&user_admin, false),
    ] {
        let roles = client.get(&path).await;
        assert_eq!(roles.status, 200, "{roles:?}");
        let first = json!({
            "name": "organization-admin",
            "display_name": "Organization Admin",
            "organization_id": club.id,
            "assignable": assignable,
            "built_in": true,
            "site_permissions": [],
            "user_permissions": [],
            "organization_permissions": [],
            "organization_member_permissions": [],
        });
        assert_eq!(roles.json[0], first);
        let names: Vec<&str> = roles
            .json
            .as_array()
            .unwrap()
            .iter()
            .map(|role| role["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, OrganizationRole::ALL.map(OrganizationRole::name));
    }
}

// Adding and removing.

#[tokio::test]
async fn who_is_added_belongs_from_the_next_request_on() {
    let club = Club::new().await;
    let hidden = club.outsider.get(&format!("{ORGANIZATIONS}/club")).await;
    assert_refused(&hidden, 404, NOT_FOUND);
    club.app.pass(TimeDelta::minutes(5));
    let added = add(&club.admin, &place("dora")).await;
    assert_eq!(added.status, 200, "{added:?}");
    assert_eq!(added.header("rollcall-position"), "");
    let joined = added.json["created_at"].clone();
    assert_eq!(
        added.json,
        json!({
            "user_id": club.dora,
            "organization_id": club.id,
            "created_at": joined,
            "updated_at": joined,
            "roles": [],
        })
    );
    assert_ne!(
        joined,
        club.owner.get(&format!("{USERS}/dora")).await.json["created_at"]
    );
    let shown = club.outsider.get(&format!("{ORGANIZATIONS}/club")).await;
    assert_eq!(shown.status, 200);
    let me = club.outsider.get(ME).await;
    let default = club.app.app.default_organization;
    assert_eq!(me.json["organization_ids"], json!([default, club.id]));
}

#[tokio::test]
async fn who_belongs_already_is_not_added_again() {
    let club = Club::new().await;
    for (client, user) in [
        (&club.owner, "carol"),
        (&club.owner, "me"),
        (&club.admin, "carol"),
        (&club.admin, "me"),
    ] {
        let again = add(client, &place(user)).await;
        assert_refused(&again, 400, "belongs to this organization already");
    }
    assert_eq!(history(&club.app, club.carol).await.len(), 2);
}

#[tokio::test]
async fn of_many_who_add_one_user_at_once_one_does() {
    let club = Club::new().await;
    let adding = (0..8).map(|_| {
        let admin = club.admin.clone();
        tokio::spawn(async move { add(&admin, &place("dora")).await.status })
    });
    let adding: Vec<_> = adding.collect();
    let mut statuses = Vec::new();
    for answer in adding {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
}

#[tokio::test]
async fn who_is_removed_loses_place_and_roles_from_the_next_request_on() {
    let club = Club::new().await;
    add(&club.owner, &place("dora")).await;
    club.empower(club.dora, club.id, OrganizationRole::Admin)
        .await;
    assert_eq!(listed(&club.outsider.get(&members()).await).len(), 4);
    let removed = club.admin.delete(&place("dora")).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    assert_eq!(removed.header("rollcall-position"), "");
    assert_refused(&club.outsider.get(&members()).await, 404, NOT_FOUND);
    let again = club.admin.delete(&place("dora")).await;
    assert_refused(&again, 404, NOT_FOUND);
    // And comes back as a plain member.
    assert_eq!(roles_in(&add(&club.admin, &place("dora")).await), [""; 0]);
    assert_eq!(listed(&club.outsider.get(&members()).await), ["dora"]);
}

#[tokio::test]
async fn nobody_is_removed_from_their_last_organization() {
    let club = Club::new().await;
    let last = club.admin.delete(&place("carol")).await;
    assert_refused(&last, 400, "belongs to no other organization");
    let default = format!("{ORGANIZATIONS}/default/members/dora");
    let last = club.owner.delete(&default).await;
    assert_refused(&last, 400, "belongs to no other organization");
    // The default organisation is like any other, once there is another.
    add(&club.admin, &place("dora")).await;
    assert_eq!(club.owner.delete(&default).await.status, 204);
    let me = club.outsider.get(ME).await;
    assert_eq!(me.json["organization_ids"], json!([club.id]));
    let last = club.owner.delete(&place("dora")).await;
    assert_refused(&last, 400, "belongs to no other organization");
}

#[tokio::test]
async fn who_is_removed_from_both_organizations_at_once_stays_in_one() {
    let club = Club::new().await;
    add(&club.owner, &place("dora")).await;
    let second = club.app.second_node().await;
    let elsewhere = second.with_token(club.owner.token());
    let removing = [
        (club.owner.clone(), place("dora")),
        (elsewhere, format!("{ORGANIZATIONS}/default/members/dora")),
    ]
    .map(|(client, path)| tokio::spawn(async move { client.delete(&path).await.status }));
    let mut statuses = Vec::new();
    for answer in removing {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400]);
    let me = club.outsider.get(ME).await;
    assert_eq!(me.json["organization_ids"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_removes_themselves() {
    let club = Club::new().await;
    for (client, user) in [
        (&club.owner, "me"),
        (&club.owner, "ada"),
        (&club.admin, "bob"),
        (&club.plain, "me"),
    ] {
        let answer = client.delete(&place(user)).await;
        assert_refused(&answer, 400, "remove yourself");
    }
    assert_eq!(listed(&club.owner.get(&members()).await).len(), 3);
}

#[tokio::test]
async fn nobody_who_is_not_there_is_added_removed_or_given_roles() {
    let club = Club::new().await;
    let gone = club.app.user(&club.owner, "gone").await;
    club.app.command(gone, UserCommand::DeleteUser).await;
    for user in ["nobody", "gone", &gone.to_string(), "%00"] {
        for answer in [
            add(&club.owner, &place(user)).await,
            club.owner.delete(&place(user)).await,
            club.owner.put(&roles_path(user), &wish(&[])).await,
        ] {
            assert_refused(&answer, 404, NOT_FOUND);
        }
    }
    for organization in ["nothing", &Uuid::from_u128(1).to_string()] {
        let path = format!("{ORGANIZATIONS}/{organization}/members/dora");
        assert_refused(&add(&club.owner, &path).await, 404, NOT_FOUND);
        assert_refused(&club.owner.delete(&path).await, 404, NOT_FOUND);
    }
}

// Roles.

#[tokio::test]
async fn roles_are_replaced_however_they_are_spelt() {
    let club = Club::new().await;
    let suffixed = format!("organization-auditor:{}", club.id);
    let member = format!("organization-member:{}", club.id);
    for (names, expected) in [
        (vec!["organization-auditor"], vec!["organization-auditor"]),
        (
            vec![
                suffixed.as_str(),
                "organization-admin",
                "organization-admin",
            ],
            vec!["organization-admin", "organization-auditor"],
        ),
        (
            vec![member.as_str(), &suffixed],
            vec!["organization-auditor"],
        ),
        (vec!["organization-member"], vec![]),
        (vec![], vec![]),
    ] {
        club.app.pass(TimeDelta::minutes(1));
        let assigned = club.admin.put(&roles_path("carol"), &wish(&names)).await;
        assert_eq!(roles_in(&assigned), expected, "{names:?}");
        assert_eq!(assigned.header("rollcall-position"), "");
        let list = club.owner.get(&members()).await;
        assert_eq!(list.json[2]["roles"], assigned.json["roles"]);
        assert_eq!(list.json[2]["updated_at"], assigned.json["updated_at"]);
    }
    let kinds = history(&club.app, club.carol).await;
    let assigned = kinds
        .iter()
        .filter(|kind| *kind == "OrganizationRolesAssigned");
    assert_eq!(assigned.count(), 4, "what changes nothing is no event");
}

#[tokio::test]
async fn a_role_counts_in_its_organization_from_the_next_request_on() {
    let club = Club::new().await;
    assert_eq!(club.plain.get(&format!("{USERS}/dora")).await.status, 404);
    let wish_admin = wish(&["organization-user-admin"]);
    let assigned = club.admin.put(&roles_path("carol"), &wish_admin).await;
    assert_eq!(assigned.status, 200);
    assert_eq!(add(&club.plain, &place("dora")).await.status, 200);
    assert_eq!(club.plain.delete(&place("dora")).await.status, 204);
    assert_eq!(
        club.roles_of("carol").await,
        json!([
            format!("organization-member:{}", club.id),
            format!("organization-user-admin:{}", club.id)
        ])
    );
    club.admin.put(&roles_path("carol"), &wish(&[])).await;
    assert_eq!(add(&club.plain, &place("dora")).await.status, 404);
}

#[tokio::test]
async fn what_is_no_role_of_the_organization_is_refused_whole() {
    let club = Club::new().await;
    let default = club.app.app.default_organization;
    let elsewhere = format!("organization-admin:{default}");
    for name in [
        "owner",
        "user-admin",
        "member",
        "organization-owner",
        "",
        "organization-admin:",
        &elsewhere,
    ] {
        for client in [&club.owner, &club.admin] {
            let wish = wish(&["organization-auditor", name]);
            let answer = client.put(&roles_path("carol"), &wish).await;
            assert_eq!(wrong_fields(&answer), ["roles"], "{name}");
        }
    }
    let none = json!([format!("organization-member:{}", club.id)]);
    assert_eq!(club.roles_of("carol").await, none);
    let carol = club.owner.get(&format!("{USERS}/carol")).await;
    assert_eq!(carol.json["roles"], json!([]));
}

#[tokio::test]
async fn nobody_changes_their_own_roles_in_an_organization() {
    let club = Club::new().await;
    for (client, user) in [
        (&club.owner, "me"),
        (&club.admin, "bob"),
        (&club.plain, "me"),
    ] {
        let answer = client
            .put(&roles_path(user), &wish(&["organization-admin"]))
            .await;
        assert_refused(&answer, 400, "your own");
    }
}

#[tokio::test]
async fn roles_are_given_to_members_only() {
    let club = Club::new().await;
    let answer = club
        .admin
        .put(&roles_path("dora"), &wish(&["organization-admin"]))
        .await;
    assert_refused(&answer, 404, NOT_FOUND);
}

// Who may not.

/// All that can be done to Carol's and Dora's places in the club.
async fn attempts(client: &Client) -> Vec<(&'static str, u16)> {
    let wish = wish(&["organization-admin"]);
    vec![
        ("add", add(client, &place("dora")).await.status),
        ("remove", client.delete(&place("carol")).await.status),
        (
            "roles",
            client.put(&roles_path("carol"), &wish).await.status,
        ),
    ]
}

#[tokio::test]
async fn who_does_not_run_an_organization_changes_nothing_in_it() {
    let club = Club::new().await;
    let (_, rival) = club.rival().await;
    let org_user_admin = club.with_role("orga", OrganizationRole::UserAdmin).await;
    let org_auditor = club.with_role("orgb", OrganizationRole::Auditor).await;
    let auditor = with_role(&club.app, &club.owner, "sitea", Role::Auditor).await;
    let user_admin = with_role(&club.app, &club.owner, "siteb", Role::UserAdmin).await;
    let (suspended, stale) = member_of(&club.app, &club.owner, "stale", club.id).await;
    club.empower(suspended, club.id, OrganizationRole::Admin)
        .await;
    club.app.command(suspended, UserCommand::SuspendUser).await;
    for (who, client, expected) in [
        ("nobody", club.app.anonymous(), [401, 401, 401]),
        ("a suspended admin", stale, [401, 401, 401]),
        ("an outsider", club.outsider.clone(), [404, 404, 404]),
        ("the admin of another organisation", rival, [404, 404, 404]),
        ("a member", club.plain.clone(), [404, 400, 400]),
        ("an organisation's auditor", org_auditor, [404, 404, 404]),
        ("an auditor", auditor, [403, 403, 403]),
    ] {
        let statuses = attempts(&client)
            .await
            .into_iter()
            .map(|(_, status)| status);
        assert_eq!(statuses.collect::<Vec<_>>(), expected, "{who}");
    }
    // These manage members and give no roles. That Carol stays is for another reason.
    for (who, client) in [
        ("an organisation's user admin", org_user_admin),
        ("a user admin", user_admin),
    ] {
        let statuses = attempts(&client)
            .await
            .into_iter()
            .map(|(_, status)| status);
        assert_eq!(statuses.collect::<Vec<_>>(), [200, 400, 403], "{who}");
        assert_eq!(club.owner.delete(&place("dora")).await.status, 204);
    }
    let kinds = history(&club.app, club.carol).await;
    assert_eq!(kinds, ["UserCreated", "SessionStarted"]);
}

#[tokio::test]
async fn an_organizations_admin_manages_their_own_organization_and_nothing_else() {
    let club = Club::new().await;
    let (rivals, rival) = club.rival().await;
    let into =
        |organization: Uuid, user: &str| format!("{ORGANIZATIONS}/{organization}/members/{user}");
    let default = club.app.app.default_organization;
    // Somebody of their own club, somewhere else: the organisation that counts is that of the path.
    for organization in [rivals, default] {
        let path = into(organization, "carol");
        assert_refused(&add(&club.admin, &path).await, 404, NOT_FOUND);
        assert_refused(&club.admin.delete(&path).await, 404, NOT_FOUND);
        let answer = club
            .admin
            .put(&format!("{path}/roles"), &wish(&["organization-auditor"]))
            .await;
        assert_refused(&answer, 404, NOT_FOUND);
    }
    // As a member of another organisation they are a member there.
    club.app
        .command(club.bob, UserCommand::JoinOrganization(rivals))
        .await;
    assert_refused(
        &add(&club.admin, &into(rivals, "carol")).await,
        403,
        "Forbidden.",
    );
    let answer = club.admin.delete(&into(rivals, "rita")).await;
    assert_refused(&answer, 403, "Forbidden.");
    let answer = club
        .admin
        .put(&format!("{}/roles", into(rivals, "rita")), &wish(&[]))
        .await;
    assert_refused(&answer, 403, "Forbidden.");
    let theirs = club
        .admin
        .get(&format!("{ORGANIZATIONS}/{rivals}/members"))
        .await;
    assert_eq!(listed(&theirs), ["bob"]);
    assert_eq!(
        listed(&rival.get(&format!("{ORGANIZATIONS}/rivals/members")).await),
        ["ada", "bob", "rita"]
    );
    // And users are not theirs to change, nor are site roles.
    for (method, path, body) in [
        (
            Method::PUT,
            format!("{USERS}/carol/roles"),
            wish(&["owner"]),
        ),
        (Method::PUT, format!("{USERS}/carol/roles"), wish(&[])),
        (Method::DELETE, format!("{USERS}/carol"), json!({})),
        (Method::POST, USERS.to_owned(), json!({ "username": "x" })),
        (
            Method::POST,
            ORGANIZATIONS.to_owned(),
            json!({ "name": "x" }),
        ),
    ] {
        let body = serde_json::to_vec(&body).unwrap();
        let answer = club.admin.send(method, &path, &[], body).await;
        assert_refused(&answer, 403, "Forbidden.");
    }
    let suspend = format!("{USERS}/carol/status/suspend");
    assert_eq!(club.admin.put(&suspend, &json!({})).await.status, 404);
    assert_eq!(usernames(&club.admin.get(USERS).await).len(), 5);
}

#[tokio::test]
async fn an_organizations_admin_loses_power_with_their_place() {
    let club = Club::new().await;
    add(&club.owner, &format!("{ORGANIZATIONS}/default/members/bob")).await;
    assert_eq!(club.owner.delete(&place("bob")).await.status, 204);
    for (what, status) in attempts(&club.admin).await {
        assert_eq!(status, 404, "{what}");
    }
    assert_eq!(club.admin.get(&members()).await.status, 404);
    assert_eq!(usernames(&club.admin.get(USERS).await), ["bob"]);
}

#[tokio::test]
async fn who_cannot_see_an_organization_gets_the_same_for_one_that_never_was() {
    let club = Club::new().await;
    for (method, rest) in [
        (Method::GET, ""),
        (Method::GET, "/members"),
        (Method::GET, "/paginated-members?limit=x"),
        (Method::GET, "/members/roles"),
        (Method::POST, "/members/me"),
        (Method::DELETE, "/members/me"),
        (Method::PUT, "/members/me/roles"),
    ] {
        let ask = async |organization: &str| {
            let path = format!("{ORGANIZATIONS}/{organization}{rest}");
            club.outsider
                .send(method.clone(), &path, &[], Vec::new())
                .await
        };
        let hidden = ask("club").await;
        let nothing = ask("nothing").await;
        assert_refused(&hidden, 404, NOT_FOUND);
        assert_eq!(hidden.text, nothing.text, "{method} {rest}");
    }
}
