//! How somebody proves who they are: passwords, tokens, and accounts at providers.

pub mod guesses;
pub mod new_password;
pub mod passwords;
pub mod proof;
pub mod providers;
pub mod renewal;
pub mod ticket;
pub mod token;

pub use passwords::Passwords;
pub use providers::Providers;
pub use token::Token;
