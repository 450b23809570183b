//! The audit log: what it is told about, and how it is read.

pub mod refused_writes;
