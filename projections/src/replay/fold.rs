//! Folding events into rows, in memory. Pure.

use rollcall_events::Recorded;
use uuid::Uuid;

use super::{Replayed, Rule, TableRows};

/// The streams are spread over so many sets of rows: a set of each stream's own would waste memory, and one for all of them
/// time, where an event looks through the rows that are there.
const SETS: usize = 8192;

/// What the projections make of some streams.
pub(crate) struct Fold {
    folds: Vec<(Box<dyn Folding>, Vec<TableRows>)>,
}

impl Fold {
    /// Nothing yet.
    pub fn new<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        let folds = rules.into_iter().map(|rule| {
            let tables = rule.tables.iter().map(|_| TableRows::default());
            ((rule.fold)(SETS), tables.collect())
        });
        Self {
            folds: folds.collect(),
        }
    }

    /// Applies the next event.
    pub fn apply(&mut self, event: &Recorded) {
        let set = set_of(event.stream);
        for (fold, _) in &mut self.folds {
            fold.apply(set, event);
        }
    }

    /// The rows that no later event changes, by table.
    pub fn settled(&mut self) -> impl Iterator<Item = &mut TableRows> {
        self.folds.iter_mut().flat_map(|(fold, out)| {
            fold.put_settled(out);
            out
        })
    }

    /// All rows, by table.
    pub fn finish(self) -> Vec<TableRows> {
        let folds = self.folds.into_iter();
        folds
            .flat_map(|(fold, mut out)| {
                fold.put_all(&mut out);
                out
            })
            .collect()
    }
}

fn set_of(stream: Uuid) -> usize {
    let (_, low) = stream.as_u64_pair();
    // Fits: it is less than the number of sets.
    usize::try_from(low % SETS as u64).unwrap_or_default()
}

/// The fold of one projection.
pub(crate) trait Folding: Send {
    fn apply(&mut self, set: usize, event: &Recorded);
    /// Puts the rows out as they are now, and keeps them.
    fn put_now(&self, out: &mut [TableRows]);
    fn put_settled(&mut self, out: &mut [TableRows]);
    fn put_all(self: Box<Self>, out: &mut [TableRows]);
}

pub(super) fn folding<P: Replayed + 'static>(sets: usize) -> Box<dyn Folding> {
    if P::IS_FINAL {
        Box::new(Settled::<P>(P::Rows::default()))
    } else {
        let sets = (0..sets).map(|_| P::Rows::default());
        Box::new(Growing::<P>(sets.collect()))
    }
}

/// Rows that later events change.
struct Growing<P: Replayed>(Vec<P::Rows>);

impl<P: Replayed> Folding for Growing<P> {
    fn apply(&mut self, set: usize, event: &Recorded) {
        P::apply(&mut self.0[set], event);
    }

    fn put_now(&self, out: &mut [TableRows]) {
        for rows in &self.0 {
            P::put(rows, out);
        }
    }

    fn put_settled(&mut self, out: &mut [TableRows]) {
        for rows in &mut self.0 {
            P::put_settled(rows, out);
        }
    }

    fn put_all(self: Box<Self>, out: &mut [TableRows]) {
        // One set after the other is forgotten.
        for rows in self.0 {
            P::put(&rows, out);
        }
    }
}

/// Rows that stay as they are.
struct Settled<P: Replayed>(P::Rows);

impl<P: Replayed> Folding for Settled<P> {
    fn apply(&mut self, _: usize, event: &Recorded) {
        P::apply(&mut self.0, event);
    }

    fn put_now(&self, out: &mut [TableRows]) {
        P::put(&self.0, out);
    }

    fn put_settled(&mut self, out: &mut [TableRows]) {
        P::put(&std::mem::take(&mut self.0), out);
    }

    fn put_all(self: Box<Self>, out: &mut [TableRows]) {
        P::put(&self.0, out);
    }
}
