//! Reading an export, line by line, with an eye on everything that could be wrong with it.

use std::{
    collections::HashMap,
    io::{self, BufRead, Read},
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Flaw,
    line::{End, Exported, FORMAT, Header, Line, VERSION},
    order::Order,
};
use crate::log::Frontier;

/// Longer than any line that we write: what is longer is none.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;
/// More flaws than this tell nothing new.
const MOST_FLAWS: usize = 1000;

/// Reads the lines of an export, and remembers what is wrong with them.
#[derive(Clone)]
pub struct Reader<R> {
    pub(super) source: R,
    buffer: Vec<u8>,
    line: u64,
    /// Of all lines before this one.
    sha256: Sha256,
    header: Option<Header>,
    end: Option<End>,
    order: Order,
    versions: HashMap<Uuid, i64>,
    recorded_at: DateTime<Utc>,
    frontier: Frontier,
    vault: u64,
    flaws: Vec<Flaw>,
    is_over: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// The file cannot be read. What is wrong with the line is among the flaws.
    pub fn open(source: R) -> io::Result<Self> {
        let mut reader = Self {
            source,
            buffer: Vec::new(),
            line: 0,
            sha256: Sha256::new(),
            header: None,
            end: None,
            order: Order::default(),
            versions: HashMap::new(),
            recorded_at: DateTime::<Utc>::MIN_UTC,
            frontier: Frontier::default(),
            vault: 0,
            flaws: Vec::new(),
            is_over: false,
        };
        match reader.next_line()? {
            Some(Line::Header(header)) => reader.header(header),
            _ => reader.tell(Flaw::line(1, "is not the first line of an export")),
        }
        reader.sha256.update(&reader.buffer);
        Ok(reader)
    }

    /// The next event or row of the vault that is as it was written; none at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator could not be asked for its flaws meanwhile"
    )]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        while !self.is_over {
            let line = self.next_line()?;
            if self.buffer.is_empty() {
                self.finish();
                break;
            }
            if line.is_none() {
                self.order.unread(self.line);
            }
            let line = line.and_then(|line| self.look_at(line));
            self.sha256.update(&self.buffer);
            if self.flaws.len() + self.order.size() > MOST_FLAWS {
                self.tell(Flaw::line(
                    self.line,
                    "is where reading ends: so much is wrong",
                ));
                self.is_over = true;
            }
            if line.is_some() {
                return Ok(line);
            }
        }
        Ok(None)
    }

    /// What the first line says, if it can be read.
    pub fn first_line(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What is wrong, so far.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// The tree of the events so far.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// When the last event so far was recorded.
    pub fn recorded_at(&self) -> DateTime<Utc> {
        self.recorded_at
    }

    /// All of it.
    pub(super) fn into_flaws(self) -> (Option<Header>, Frontier, Vec<Flaw>) {
        (self.header, self.frontier, self.flaws)
    }

    /// Puts the next line into the buffer, with its end; nothing at the end of the file.
    fn next_line(&mut self) -> io::Result<Option<Line>> {
        self.buffer.clear();
        let mut source = Read::by_ref(&mut self.source).take(LONGEST_LINE);
        source.read_until(b'\n', &mut self.buffer)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            self.tell(Flaw::line(self.line, "breaks off"));
            return Ok(None);
        };
        Ok(Line::parse(line))
    }

    fn header(&mut self, header: Header) {
        if (header.format.as_str(), header.version) != (FORMAT, VERSION) {
            let says = format!(
                "says that this is version {} of {:?}, and what can be read here is version {VERSION} of {FORMAT:?}",
                header.version, header.format
            );
            self.tell(Flaw::line(1, says));
        }
        self.header = Some(header);
    }

    /// The line again, if it is one to go on with.
    fn look_at(&mut self, line: Line) -> Option<Line> {
        if self.end.is_some() {
            self.tell(Flaw::line(self.line, "follows what should be the last"));
            return None;
        }
        match line {
            Line::Event(exported) => {
                self.event(&exported);
                Some(Line::Event(exported))
            }
            Line::Vault(row) => {
                self.settle();
                self.vault += 1;
                Some(Line::Vault(row))
            }
            Line::End(end) => {
                self.settle();
                self.end(end);
                None
            }
            Line::Header(_) => {
                self.tell(Flaw::line(
                    self.line,
                    "is a first line, and is not the first",
                ));
                None
            }
        }
    }

    fn event(&mut self, exported: &Exported) {
        let event = &exported.event;
        let position = event.position;
        self.order.event(position, &mut self.flaws);
        if self.expected().is_some_and(|events| position > events) {
            let says = "is beyond the last that the first line tells of";
            self.tell(Flaw::event(position, says));
        }
        let leaf = event.leaf();
        if leaf != exported.leaf {
            self.tell(Flaw::event(position, "is not what its hash says"));
        }
        self.frontier.push(leaf);
        let version = self.versions.entry(event.aggregate_id).or_default();
        let last = std::mem::replace(version, event.version);
        // What follows from something that was told already is not told again.
        if event.version != last.saturating_add(1) && self.is_good() {
            let says = format!(
                "has version {} of its stream, which was at {last}",
                event.version
            );
            self.tell(Flaw::event(position, says));
        }
        if event.recorded_at < self.recorded_at && self.is_good() {
            self.tell(Flaw::event(
                position,
                "was recorded before the one before it",
            ));
        }
        self.recorded_at = event.recorded_at;
    }

    fn end(&mut self, end: End) {
        let sha256: [u8; 32] = self.sha256.clone().finalize().into();
        let told = [
            (
                end.events == self.frontier.size(),
                "tells of another number of events",
            ),
            (
                end.root == self.frontier.root(),
                "tells of another tree: an event was altered together with its hash",
            ),
            (
                end.vault == self.vault,
                "tells of another number of rows of the vault",
            ),
            (
                end.sha256_of_all_before == sha256,
                "tells of another file: a line was altered, added, removed or moved",
            ),
        ];
        self.end = Some(end);
        // The order first: what is missing explains the rest.
        self.order.end(self.expected(), &mut self.flaws);
        for (is_so, says) in told {
            if !is_so && self.is_good() {
                self.tell(Flaw::line(self.line, says));
            }
        }
    }

    /// The file has ended.
    fn finish(&mut self) {
        self.is_over = true;
        let is_unread = self.order.is_unread();
        self.order.end(self.expected(), &mut self.flaws);
        if self.end.is_none() && !is_unread && self.line > 0 {
            self.tell(Flaw::line(
                self.line,
                "is the last, and is no end of an export: it was cut off",
            ));
        }
    }

    /// Unread lines before what comes after the events.
    fn settle(&mut self) {
        if let Some(events) = self.expected() {
            self.order.settle(events.saturating_add(1), &mut self.flaws);
        }
    }

    /// How many events there should be, if we know.
    fn expected(&self) -> Option<i64> {
        let header = self.header.as_ref().map(|header| header.events);
        let events = header.or(self.end.as_ref().map(|end| end.events))?;
        // There is no position beyond that: so many events are never there.
        Some(i64::try_from(events).unwrap_or(i64::MAX))
    }

    fn is_good(&self) -> bool {
        self.flaws.is_empty() && self.order.size() == 0
    }

    fn tell(&mut self, flaw: Flaw) {
        self.flaws.push(flaw);
    }
}
