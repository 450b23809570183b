//! Standard output and standard error: the one place where commands write.
//!
//! A reader that has seen enough, such as `head`, closes its end of the pipe. That is no failure of ours: the command
//! ends at once and without a word, with exit status 0. To be told from the same error of any other connection, it is
//! marked here.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind, Write},
};

use serde::Serialize;

/// The error of a write to standard output that nothing reads any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
struct Closed(#[source] Mark);

/// By which that error is known, however it is wrapped: what is wrapped transparently shows only its source.
#[derive(Debug, thiserror::Error)]
#[error("nothing reads it")]
struct Mark;

/// Standard output.
pub struct Output<W = io::Stdout>(W);

/// Standard output, not locked: for work that moves between threads.
pub fn stdout() -> Output {
    Output(io::stdout())
}

/// Prints a line.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_line(line: impl fmt::Display) -> io::Result<()> {
    writeln!(stdout(), "{line}")
}

/// Prints a value as JSON, over several lines.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    let mut out = Output(io::stdout().lock());
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Says something on standard error, if anything reads it.
pub fn say(line: impl fmt::Display) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// Whether it failed only because nothing reads what is printed.
pub fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Mark>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

fn marked(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        io::Error::new(ErrorKind::BrokenPipe, Closed(Mark))
    } else {
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe that nothing reads.
    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_an_output_that_is_closed_is_no_failure() {
        let of_output = Output(Broken).write_all(b"a").unwrap_err();
        assert!(is_closed(&of_output));
        let of_json = serde_json::to_writer(Output(Broken), &1).unwrap_err();
        assert!(is_closed(&io::Error::from(of_json)));
        let wrapped: Box<dyn Error> = Box::new(rollcall_events::log::ExportError::from(of_output));
        assert!(is_closed(wrapped.as_ref()));
        let of_a_connection = sqlx::Error::Io(ErrorKind::BrokenPipe.into());
        assert!(!is_closed(&of_a_connection));
    }
}
