//! Log lines: to standard error, because standard output is for results.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, filter::ParseError, util::TryInitError};

use crate::config::LogFormat;

/// Says each time a connection is tried what `pool` says once. A filter that names it decides.
const QUIET: &str = "sqlx_core::pool=off";

/// Why log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The filter is not one.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// Logging was started before in this process.
    #[error("logging has already been started: {0}")]
    Started(#[from] TryInitError),
}

/// Starts logging for the whole process. Colours are used only on a terminal.
///
/// # Errors
///
/// A filter that cannot be read, or a second start.
pub fn start(format: LogFormat, filter: &str) -> Result<(), LoggingError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(format!("{QUIET},{filter}"))?)
        .with_ansi(io::stderr().is_terminal())
        // It would panic if standard error is gone: in the middle of a request, because nobody reads the log.
        .log_internal_errors(false)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => lines.finish().try_init()?,
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_starts_once_and_refuses_a_filter_that_is_none() {
        assert!(matches!(
            start(LogFormat::Text, "info,=="),
            Err(LoggingError::Filter(_))
        ));
        start(LogFormat::Json, "warn").unwrap();
        assert!(matches!(
            start(LogFormat::Text, "warn"),
            Err(LoggingError::Started(_))
        ));
    }
}
