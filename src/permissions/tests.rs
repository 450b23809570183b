//! The table against what the API promises.
