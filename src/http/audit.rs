//! The audit log: what it is told about, and how it is read.

mod description;
mod diff;
pub mod list;
pub mod refused_writes;
pub mod test_generate;
mod told;
mod view;
