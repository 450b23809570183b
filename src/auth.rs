//! Who a caller is: passwords, tokens, sessions, and where a request comes from.

pub mod caller;
pub mod origin;
pub mod passwords;
pub mod token;

pub use caller::Caller;
pub use origin::RequestContext;
pub use passwords::Passwords;
pub use token::Token;
