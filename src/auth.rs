//! How somebody proves who they are: passwords and tokens.

pub mod passwords;
pub mod token;

pub use passwords::Passwords;
pub use token::Token;
