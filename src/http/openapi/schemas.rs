//! What the fields of bodies may be: the rules of the domain, as the description of the API says them.

use std::borrow::Cow;

use rollcall_events::user::{self, LoginType, Role, Status};
use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, schema::Type},
};

/// An e-mail address. Capitals make no other address.
#[derive(ToSchema)]
#[schema(value_type = String, format = Email, min_length = 1, max_length = 320, example = "ada@example.com")]
pub struct Email(pub String);

/// Letters and digits, in groups joined by single hyphens. Capitals make no other name.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 32, pattern = "^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$", example = "ada")]
pub struct Username(pub String);

/// The name of an organization: letters and digits, in groups joined by single hyphens. Capitals make no other name.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 32, pattern = "^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$", example = "rowing-club")]
pub struct OrganizationName(pub String);

/// The name by which people call a user: at most 128 bytes, no white space at its ends, no control characters.
#[derive(ToSchema)]
#[schema(value_type = String, max_length = 128, example = "Ada Lovelace")]
pub struct DisplayName(pub String);

/// A password that is known already.
#[derive(ToSchema)]
#[schema(value_type = String, format = Password, min_length = 1, example = "correct horse battery staple")]
pub struct Password(pub String);

/// A new password: from 8 characters to 256 bytes, and not easily guessed.
#[derive(ToSchema)]
#[schema(value_type = String, format = Password, min_length = 8, max_length = 256, example = "correct horse battery staple")]
pub struct NewPassword(pub String);

/// Makes each a schema of its own: one of these words.
macro_rules! words {
    ($(#[doc = $description:literal] $name:ident: $words:expr,)*) => {$(
        #[doc = $description]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = $words;
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .description(Some($description.trim()))
                    .examples(words.first().map(|word| json!(word)))
                    .enum_values(Some(words))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

words! {
    /// Whether a user may sign in, or has yet to.
    UserStatus: Status::ALL.map(Status::name),
    /// A role in an organization.
    OrganizationRole: user::OrganizationRole::ALL.map(user::OrganizationRole::name),
    /// A role in the whole service.
    SiteRole: Role::ALL.map(Role::name),
    /// How a user signs in.
    UserLoginType: LoginType::ALL.map(LoginType::name),
}
