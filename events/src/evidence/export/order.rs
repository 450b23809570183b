//! Whether the events of an export stand where they should: which are missing, twice there, or in another's place.

use super::Flaw;

/// The places of the events so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    /// The event before, as the file has them.
    last: i64,
    highest: i64,
    /// Stretches of positions below the highest that have not come.
    missing: Vec<(i64, i64)>,
    /// Lines since the last event that cannot be read. What they stood for shows when something can be.
    unread: Vec<u64>,
}

impl Order {
    /// A line cannot be read.
    pub fn unread(&mut self, line: u64) {
        self.unread.push(line);
    }

    /// Whether the line before cannot be read.
    pub fn is_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// How much is remembered of what is wrong.
    pub fn size(&self) -> usize {
        self.missing.len() + self.unread.len()
    }

    /// An event comes.
    pub fn event(&mut self, position: i64, flaws: &mut Vec<Flaw>) {
        self.settle(position, flaws);
        let last = std::mem::replace(&mut self.last, position);
        if position > self.highest {
            self.miss(position);
            self.highest = position;
        } else if !self.found(position) {
            flaws.push(Flaw::event(position, "is there a second time"));
        } else if position != last.saturating_add(1) {
            let mut says = format!("stands after the one at position {last}");
            if position.saturating_add(1) == last {
                says += ": the two are swapped";
            }
            flaws.push(Flaw::event(position, says));
        }
    }

    /// The unread lines stood for the events that have not come before this one, as far as there are any.
    pub fn settle(&mut self, next: i64, flaws: &mut Vec<Flaw>) {
        let mut altered = false;
        for line in std::mem::take(&mut self.unread) {
            if self.next() < next {
                self.highest = self.next();
                self.last = self.highest;
                altered = true;
                let says = format!("is not as it was written, in line {line}");
                flaws.push(Flaw::event(self.highest, says));
            } else if !altered {
                // After an altered event the rest of it may follow in a line of its own.
                flaws.push(Flaw::line(line, "is not as it was written"));
            }
        }
    }

    /// No more events come, and there should be so many, if that is known.
    pub fn end(&mut self, events: Option<i64>, flaws: &mut Vec<Flaw>) {
        let last = events.map_or(self.highest, |events| events.max(self.highest));
        let next = last.saturating_add(1);
        self.settle(next, flaws);
        self.miss(next);
        let mut missing = std::mem::take(&mut self.missing);
        missing.sort_unstable();
        for (from, to) in missing {
            flaws.push(Flaw::missing(from, to));
        }
        self.highest = last;
    }

    fn next(&self) -> i64 {
        self.highest.saturating_add(1)
    }

    fn miss(&mut self, before: i64) {
        if self.next() < before {
            self.missing.push((self.next(), before - 1));
        }
    }

    /// Whether this one was missing; it is no longer.
    fn found(&mut self, position: i64) -> bool {
        let stretch = self
            .missing
            .iter()
            .position(|(from, to)| (*from..=*to).contains(&position));
        let Some(stretch) = stretch else {
            return false;
        };
        let (from, to) = self.missing.swap_remove(stretch);
        if from < position {
            self.missing.push((from, position - 1));
        }
        if position < to {
            self.missing.push((position + 1, to));
        }
        true
    }
}
