//! Text of people, by the rules of Unicode: the forms in which it is compared, and the characters that nobody sees.

mod fold;
mod hidden;

pub use fold::{caseless, search_key};
pub use hidden::{hidden_character, is_hidden, without_hidden};
