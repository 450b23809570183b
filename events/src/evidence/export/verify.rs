//! Verifying an export, by itself and by checkpoints that left the house before.

use std::io::{self, BufRead};

use super::{Flaw, Header, Line, Reader};
use crate::{
    evidence::Checkpoint,
    log::{Hash, Unreadable, Upcasters},
};

/// What was found.
#[derive(Debug)]
pub struct Verified {
    /// What the first line says, if it can be read.
    pub header: Option<Header>,
    /// How many events could be read.
    pub events: u64,
    /// The root of their tree.
    pub root: Hash,
    /// What is wrong with the file.
    pub flaws: Vec<Flaw>,
    /// The events that are in the file as they were in the log, and that this program cannot read. What is sealed is not
    /// looked at, for want of the keys.
    pub unreadable: Vec<Unreadable>,
    /// What each checkpoint says, the smallest first.
    pub judged: Vec<Judged>,
}

/// What a checkpoint says of an export.
#[derive(Debug, PartialEq, Eq)]
pub struct Judged {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What it says.
    pub judgement: Judgement,
}

/// Whether an export is what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Its events up to the checkpoint are those that were signed.
    Agrees,
    /// They are not: something from this position to the checkpoint's is another, or the order is.
    Differs {
        /// The first event that may be another; none, if a checkpoint of the same size agrees.
        from: u64,
    },
    /// There are not so many events: something that was signed is not there.
    Short,
}

impl Verified {
    /// Whether the file is whole, and what the checkpoints say that it is.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let agrees = |judged: &Judged| judged.judgement == Judgement::Agrees;
        self.flaws.is_empty() && self.judged.iter().all(agrees)
    }

    /// Up to which position checkpoints vouch for the events.
    #[must_use]
    pub fn vouched(&self) -> u64 {
        let agree = self
            .judged
            .iter()
            .filter(|judged| judged.judgement == Judgement::Agrees);
        agree
            .map(|judged| judged.checkpoint.size)
            .max()
            .unwrap_or_default()
    }
}

/// Reads an export to its end. `advanced` hears of every event.
///
/// # Errors
/// The file cannot be read. What is found wrong is no error.
pub fn verify(
    source: impl BufRead,
    mut checkpoints: Vec<Checkpoint>,
    mut advanced: impl FnMut(),
) -> io::Result<Verified> {
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let mut waiting = checkpoints.into_iter().peekable();
    let mut judged: Vec<Judged> = Vec::new();
    let mut vouched = 0;
    let mut unreadable = Vec::new();
    let upcasters = Upcasters::current();
    let mut reader = Reader::open(source)?;
    loop {
        let frontier = reader.frontier();
        while let Some(checkpoint) = waiting.next_if(|next| next.size == frontier.size()) {
            let judgement = if checkpoint.root == frontier.root() {
                vouched = checkpoint.size;
                Judgement::Agrees
            } else {
                Judgement::Differs { from: vouched + 1 }
            };
            judged.push(Judged {
                checkpoint,
                judgement,
            });
        }
        match reader.next()? {
            Some(Line::Event(exported)) => {
                let shape = exported.event.columns().check_shape(&upcasters);
                unreadable.extend(shape.err().map(|unreadable| *unreadable));
                advanced();
            }
            Some(_) => {}
            None => break,
        }
    }
    judged.extend(waiting.map(|checkpoint| Judged {
        checkpoint,
        judgement: Judgement::Short,
    }));
    let (header, frontier, flaws) = reader.into_flaws();
    Ok(Verified {
        header,
        events: frontier.size(),
        root: frontier.root(),
        flaws,
        unreadable,
        judged,
    })
}
