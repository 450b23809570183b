//! `rollcall rebuild`.

use std::{error::Error, sync::Arc};

use clap::Args as ClapArgs;
use rollcall_projections::{
    rebuild::{Progress, STREAMS_IN_MEMORY, Wish, rebuild},
    verify,
};

use super::{
    output::{print_line, say},
    progress::shown,
    with_log::with_log,
};
use crate::config::{Config, StoreArgs};

/// What to rebuild.
#[derive(ClapArgs)]
pub struct Rebuild {
    /// Rebuild this projection alone; may be given several times [default: all]
    #[arg(long = "projection", value_name = "NAME")]
    projections: Vec<String>,
    /// How many read and fold the log side by side [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<u32>,
    /// Say first what is served and not what happened, row by row
    #[arg(long)]
    diff: bool,
    /// Go on without the events that cannot be read, instead of leaving everything as it is
    #[arg(long)]
    skip_unreadable: bool,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// Makes the read models anew from the log.
///
/// # Errors
/// There is no database, or see [`rollcall_projections::rebuild::RebuildError`]: then nothing has changed.
pub fn run(config: &Config, args: &Rebuild) -> Result<(), Box<dyn Error>> {
    let wish = Wish {
        projections: args.projections.clone(),
        workers: args.workers.unwrap_or_else(processors),
        streams_in_memory: STREAMS_IN_MEMORY,
        skip_unreadable: args.skip_unreadable,
    };
    with_log(config, async |owner, log| {
        if args.diff {
            let wish = verify::Wish {
                user: None,
                workers: wish.workers,
                repair: false,
            };
            let progress = Arc::default();
            let verified = shown(&progress, verify::verify(&owner, &log, &wish, &progress)).await?;
            for difference in &verified.differences {
                print_line(difference)?;
            }
        }
        let progress = Arc::new(Progress::default());
        let rebuilt = shown(&progress, rebuild(&owner, &log, &wish, &progress)).await?;
        for (stage, took) in progress.past() {
            let stage = stage.to_string();
            say(format_args!("{stage:<26}{:>8.2} s", took.as_secs_f64()));
        }
        print_line(format_args!(
            "{} events made {} rows; they are served since position {}.",
            rebuilt.events, rebuilt.rows, rebuilt.position
        ))?;
        if rebuilt.unreadable > 0 {
            print_line(format_args!(
                "{} events cannot be read, or not in full: `rollcall verify` names them.",
                rebuilt.unreadable
            ))?;
        }
        Ok(())
    })
}

pub(super) fn processors() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1))
}
