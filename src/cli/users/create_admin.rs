//! `rollcall users create-admin`.

use std::{collections::BTreeSet, error::Error};

use clap::Args as ClapArgs;
use rollcall_events::{
    user::{
        CreateUser, DisplayName, EmailAddress, LoginType, Person, Role, Status, UserCommand,
        Username,
    },
    vault::VaultWrite,
};

use super::{Output, give, password, show};
use crate::{app::App, auth::new_password, config::StoreArgs};

/// The owner to be created.
#[derive(ClapArgs)]
pub struct CreateAdmin {
    /// E-mail address, by which the owner signs in
    #[arg(long)]
    email: String,
    /// Username
    #[arg(long)]
    username: String,
    /// Name for people
    #[arg(long, default_value = "")]
    name: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    pub(super) store: StoreArgs,
}

/// Creates an owner, whoever else is there.
pub async fn create_admin(app: &App, wish: &CreateAdmin) -> Result<(), Box<dyn Error>> {
    let person = Person {
        email: EmailAddress::parse(&wish.email)?,
        username: Username::parse(&wish.username)?,
        name: DisplayName::parse(&wish.name)?,
        avatar_url: String::new(),
    };
    let owner = new_password::Owner {
        texts: vec![wish.username.clone(), wish.email.clone(), wish.name.clone()],
        organizations: Vec::new(),
    };
    let hashed = password::accept(app, owner).await?;
    let id = app.ids.uuid();
    let command = UserCommand::CreateUser(CreateUser {
        person,
        login_type: LoginType::Password,
        status: Status::Active,
        roles: BTreeSet::from([Role::Owner]),
        organizations: vec![app.default_organization],
        password_scheme: Some(hashed.scheme),
        identity: None,
        first: false,
    });
    let secrets = vec![VaultWrite::PasswordHash {
        subject: id,
        hash: hashed.hash,
        revision: 1,
    }];
    give(app, id, command, secrets).await?;
    show::show(app, id, wish.output.format).await
}
