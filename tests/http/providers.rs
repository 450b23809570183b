//! Signing in by way of providers: whom they open the door to, and what a hostile one achieves, which is nothing.

#[path = "providers/accounts.rs"]
mod accounts;
#[path = "providers/converting.rs"]
mod converting;
#[path = "providers/github.rs"]
mod github;
#[path = "providers/hostile.rs"]
mod hostile;
#[path = "providers/odd_answers.rs"]
mod odd_answers;
#[path = "providers/options.rs"]
mod options;
#[path = "providers/provider.rs"]
mod provider;
