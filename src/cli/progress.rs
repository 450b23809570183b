//! How far something long is, on standard error.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::Duration,
};

use rollcall_projections::rebuild::{Progress, Seen};

/// On a terminal a line is written over; elsewhere lines follow each other, and should be few.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

/// Does the work, and says how far it is.
pub async fn shown<T>(progress: &Arc<Progress>, work: impl Future<Output = T>) -> T {
    let is_terminal = io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(if is_terminal {
        ON_A_TERMINAL
    } else {
        ELSEWHERE
    });
    // The first comes at once.
    ticks.tick().await;
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = ticks.tick() => {
                if let Some(seen) = progress.now() {
                    say(is_terminal, &line(&seen));
                }
            }
        }
    };
    if is_terminal {
        say(true, "");
    }
    done
}

/// If nobody can be told, the work goes on all the same.
fn say(is_terminal: bool, line: &str) {
    let mut err = io::stderr().lock();
    drop(if is_terminal {
        write!(err, "\r\x1b[K{line}").and_then(|()| err.flush())
    } else {
        writeln!(err, "{line}")
    });
}

fn line(seen: &Seen) -> String {
    let Seen {
        stage,
        since,
        done,
        total,
    } = *seen;
    if total == 0 {
        return format!("{stage}: {} s", since.as_secs());
    }
    let percent = done * 100 / total;
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = done * 1000 / millis;
    let left = total.saturating_sub(done) / rate.max(1);
    format!("{stage}: {done} of {total} events ({percent} %), {rate} a second, {left} s to go")
}

#[cfg(test)]
mod tests {
    use rollcall_projections::rebuild::Stage;

    use super::*;

    #[test]
    fn the_line_tells_rate_and_remaining_time() {
        let seen = |done, total| Seen {
            stage: Stage::Folding,
            since: Duration::from_secs(2),
            done,
            total,
        };
        assert_eq!(
            line(&seen(500, 2000)),
            "folding the log: 500 of 2000 events (25 %), 250 a second, 6 s to go"
        );
        assert_eq!(line(&seen(0, 0)), "folding the log: 2 s");
        assert!(line(&seen(0, 10)).ends_with("0 a second, 10 s to go"));
    }
}
