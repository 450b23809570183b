//! The audit log: what it is told about, and how it is read.

mod description;
pub mod diff;
pub mod list;
pub mod refused_writes;
pub mod test_generate;
pub mod told;
mod view;
