//! What the fields of bodies may be: the rules of the domain, as the description of the API says them.

use std::{borrow::Cow, ops::RangeInclusive};

use rollcall_events::{
    attempt::{Action, ResourceType},
    user::{self, LoginType, Role, Status},
};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AnyOfBuilder, KnownFormat, SchemaFormat, SchemaType, Type},
    },
};

/// Makes of each a type that stands for the fields with this rule.
macro_rules! schemas {
    ($(#[doc = $description:literal] $name:ident: $schema:expr;)*) => {$(
        #[doc = $description]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.description(Some($description.trim())).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

schemas! {
    /// An e-mail address, of at most 320 bytes. Capitals make no other address.
    Email: matching(text(1..=320, "ada@example.com"), &email());
    /// Letters and digits, in groups joined by single hyphens. Capitals make no other name.
    Username: matching(text(1..=32, "ada"), GROUPS);
    /// Letters and digits, in groups joined by single hyphens. Capitals make no other name.
    OrganizationName: matching(text(1..=32, "rowing-club"), GROUPS);
    /// The id of something.
    Id: matching(text(36..=36, "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"), ID);
    /// What people call a user: at most 128 bytes, no white space at its ends, no control characters.
    DisplayName: matching(text(0..=128, "Ada Lovelace"), &line(""));
    /// What people call an organization: at most 64 bytes, no white space at its ends, no control characters.
    OrganizationTitle: matching(text(0..=64, "The Rowing Club"), &line(""));
    /// The name of a token: no white space at its ends, no control characters, and none of `/`, `\`, `?`, `#` and `%`.
    TokenName: matching(text(1..=64, "ci"), &line(r"/\\?#%"));
    /// A path, or an address that begins with `https://` or `http://`; at most 2048 bytes.
    Picture: matching(text(0..=2048, "https://example.com/ada.png"), &picture());
    /// How long a token is good, in nanoseconds: from a second to what `tokenconfig` says. 0: as long as is usual here.
    TokenLifetime: AnyOfBuilder::new()
        .item(number().enum_values(Some([0])))
        .item(number().minimum(Some(1_000_000_000)))
        .examples([json!(604_800_000_000_000_u64)]);
    /// A password that is in use.
    Password: secret(text(1..=1_048_576, "correct horse battery staple"));
    /// A new password: from 8 characters to 256 bytes, and not easily guessed.
    NewPassword: secret(text(8..=256, "correct horse battery staple"));
    /// Whether a user may sign in, or has yet to.
    UserStatus: words(Status::ALL.map(Status::name));
    /// Whether a new user may sign in, or has yet to: who is dormant becomes active by coming.
    NewUserStatus: words([Status::Active, Status::Dormant].map(Status::name));
    /// How a user signs in.
    UserLoginType: words(LoginType::ALL.map(LoginType::name));
    /// How a new user signs in: with a password, not at all, or by a provider that is configured.
    NewUserLoginType: words(["password", "none", "github", "oidc"]);
    /// A role in the whole service.
    SiteRole: words(Role::ALL.map(Role::name));
    /// A role in an organization, with or without the organization's id behind it.
    OrganizationRoleThere: matching(text(1..=80, "organization-auditor"), &role_there());
    /// A role in an organization.
    OrganizationRole: words(user::OrganizationRole::ALL.map(user::OrganizationRole::name));
    /// What is done something to.
    AuditResourceType: words(ResourceType::ALL.map(ResourceType::name));
    /// Any value: a text, a list, or what else it may be.
    AnyValue: ObjectBuilder::new().schema_type(SchemaType::AnyValue).examples([json!("active")]);
    /// What was done.
    AuditAction: words(Action::ALL.map(Action::name));
    /// What a token reaches: everything. Less than that is refused.
    AllowListEntry: words(["*:*"]);
    /// What a token is good for.
    TokenScope: words(["all", "application_connect", "coder:all", "coder:application_connect"]);
}

const ID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
const GROUPS: &str = "^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$";
/// Characters that control something, as a part of a class.
const CONTROLS: &str = r"\x00-\x1F\x7F-\x9F";

fn text(characters: RangeInclusive<usize>, example: &str) -> ObjectBuilder {
    let (fewest, most) = characters.into_inner();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(fewest).filter(|fewest| *fewest > 0))
        .max_length(Some(most))
        .examples([json!(example)])
}

fn words<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .examples(words.first().map(|word| json!(word)))
        .enum_values(Some(words))
}

fn matching(text: ObjectBuilder, pattern: &str) -> ObjectBuilder {
    text.pattern(Some(pattern))
}

fn secret(text: ObjectBuilder) -> ObjectBuilder {
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
}

fn number() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

/// The member's role, which everybody there has, may be named as well.
fn role_there() -> String {
    let roles = user::OrganizationRole::ALL.map(user::OrganizationRole::name);
    let id = ID.trim_start_matches('^');
    format!("^({}|organization-member)(:{id}|$)", roles.join("|"))
}

/// One line without white space at its ends, and without these characters.
fn line(without: &str) -> String {
    let inside = format!("[^{CONTROLS}{without}]");
    let end = format!(r"[^\s{CONTROLS}{without}]");
    format!("^({end}({inside}*{end})?)?$")
}

/// What `AvatarUrl` accepts.
fn picture() -> String {
    let any = format!(r"[^\s{CONTROLS}]");
    let path = format!(r"/([^/\\\s{CONTROLS}][^\\\s{CONTROLS}]*)?");
    format!("^([hH][tT][tT][pP][sS]?://{any}*|{path})?$")
}

/// What `EmailAddress` accepts.
fn email() -> String {
    let letter = r"a-zA-Z\u00A0-\uD7FF\uF900-\uFDCF\uFDF0-\uFFEF";
    let atom = format!(r"[{letter}0-9!#$%&'*+\-/=?^_`{{|}}~]+");
    let quoted = format!(r#""([ !#-\[\]-~{letter}]|\\[ -~{letter}])+""#);
    let label = format!(r"[{letter}0-9\-~]");
    let more = format!(r"(\.?{label})*\.?");
    let domain = format!(r"[{letter}0-9]({more}[{letter}0-9])?\.[{letter}]({more}[{letter}])?");
    format!(r"^({atom}(\.{atom})*|{quoted})@{domain}$")
}
