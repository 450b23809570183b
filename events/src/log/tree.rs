//! The tree over the log, looked up: the roots of any parts of it, for proofs.
//!
//! The roots of complete parts of 1,024 events and of twice that, and so on, are kept once they are known, so that a
//! proof reads a few thousand events at most, however long the log is. What is kept is not trusted: whoever asks verifies
//! what comes out, and has it made anew if it is wrong.

use std::{collections::HashMap, ops::Range};

use futures_util::TryStreamExt;
use sqlx::PgConnection;

use super::{
    Hash, RawEvent,
    merkle::{Frontier, inner, root_over},
};

/// The smallest parts whose roots are kept have 2 to the power of this events.
const LEVEL: u32 = 10;
const PART: u64 = 1 << LEVEL;
/// Parts that are read at once while the rest of the log is filled in.
const PARTS_AT_ONCE: u64 = 16;

/// Why the tree cannot be looked up.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The database does not answer, or refuses.
    #[error("the log cannot be read")]
    Database(#[from] sqlx::Error),
    /// An event is not there.
    #[error("the event at position {0} is missing from the log")]
    Missing(u64),
}

/// A complete part of the tree: 2 to the power of `level` events, of which it is the `nth` part, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Node {
    level: u32,
    nth: u64,
}

/// Keeps the roots of what is complete of the first `size` events.
///
/// # Errors
/// The database fails, or an event is not there.
pub async fn fill(conn: &mut PgConnection, size: u64) -> Result<(), TreeError> {
    let (mut known, mut peaks) = known_parts(conn).await?;
    while (known + 1) * PART <= size {
        let until = (known + PARTS_AT_ONCE).min(size / PART);
        let mut nodes = Vec::new();
        for (nth, root) in (known..).zip(part_roots(conn, known..until).await?) {
            join(nth, root, &mut peaks, &mut nodes);
        }
        keep(conn, &nodes).await?;
        known = until;
    }
    Ok(())
}

/// Forgets what is kept.
///
/// # Errors
/// The database fails.
pub async fn clear(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM live.tree").execute(conn).await?;
    Ok(())
}

/// The root over each of these ranges of events, counted from 0. They begin where proofs cut the tree.
///
/// # Errors
/// The database fails, or an event is not there.
pub async fn roots(conn: &mut PgConnection, ranges: &[Range<u64>]) -> Result<Vec<Hash>, TreeError> {
    let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    fill(conn, end).await?;
    let parts: Vec<Vec<Node>> = ranges.iter().cloned().map(perfect_parts).collect();
    let (large, small): (Vec<Node>, Vec<Node>) =
        parts.iter().flatten().partition(|node| node.level >= LEVEL);
    let mut known = kept(conn, &large).await?;
    let leaves = leaves(conn, &small).await?;
    for node in small {
        known.insert(node, root_of_leaves(node, &leaves)?);
    }
    let root = |node: &Node| {
        known
            .get(node)
            .copied()
            .ok_or(TreeError::Missing(node.first()))
    };
    parts
        .iter()
        .map(|nodes| {
            Ok(root_over(
                &nodes.iter().map(root).collect::<Result<Vec<_>, _>>()?,
            ))
        })
        .collect()
}

impl Node {
    /// The position of its first event.
    fn first(self) -> u64 {
        (self.nth << self.level) + 1
    }

    fn positions(self) -> Range<u64> {
        self.first()..self.first() + (1 << self.level)
    }
}

/// The perfect trees that a range consists of, the first first: each as large as its place allows.
fn perfect_parts(range: Range<u64>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let fits = (range.end - at).ilog2();
        let level = if at == 0 {
            fits
        } else {
            fits.min(at.trailing_zeros())
        };
        nodes.push(Node {
            level,
            nth: at >> level,
        });
        at += 1 << level;
    }
    nodes
}

/// Takes in the next part, and joins the trees that have become of equal size.
fn join(nth: u64, root: Hash, peaks: &mut Vec<Hash>, nodes: &mut Vec<(Node, Hash)>) {
    let (mut node, mut root) = (Node { level: LEVEL, nth }, root);
    nodes.push((node, root));
    while node.nth % 2 == 1
        && let Some(left) = peaks.pop()
    {
        node = Node {
            level: node.level + 1,
            nth: node.nth / 2,
        };
        root = inner(&left, &root);
        nodes.push((node, root));
    }
    peaks.push(root);
}

/// How many of the smallest parts are kept, and the trees that they make up. If something was lost: none.
async fn known_parts(conn: &mut PgConnection) -> sqlx::Result<(u64, Vec<Hash>)> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(nth) FROM live.tree WHERE level = $1")
        .bind(LEVEL.cast_signed())
        .fetch_one(&mut *conn)
        .await?;
    let parts = last.map_or(0, |last| last.unsigned_abs() + 1);
    if let Some(size) = parts.checked_mul(PART) {
        let nodes = perfect_parts(0..size);
        let kept = kept(conn, &nodes).await?;
        let peaks: Option<Vec<Hash>> = nodes.iter().map(|node| kept.get(node).copied()).collect();
        if let Some(peaks) = peaks {
            return Ok((parts, peaks));
        }
    }
    clear(conn).await?;
    Ok((0, Vec::new()))
}

async fn kept(conn: &mut PgConnection, nodes: &[Node]) -> sqlx::Result<HashMap<Node, Hash>> {
    let rows: Vec<(i32, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT level, nth, root FROM live.tree JOIN UNNEST($1::int[], $2::bigint[]) AS wanted (level, nth)
          USING (level, nth)",
    )
    .bind(nodes.iter().map(|node| node.level.cast_signed()).collect::<Vec<_>>())
    .bind(nodes.iter().map(|node| node.nth.cast_signed()).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let kept = rows.into_iter().filter_map(|(level, nth, root)| {
        let node = Node {
            level: level.cast_unsigned(),
            nth: nth.cast_unsigned(),
        };
        Some((node, root.try_into().ok()?))
    });
    Ok(kept.collect())
}

async fn keep(conn: &mut PgConnection, nodes: &[(Node, Hash)]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO live.tree (level, nth, root) SELECT * FROM UNNEST($1::int[], $2::bigint[], $3::bytea[])
             ON CONFLICT (level, nth) DO NOTHING",
    )
    .bind(nodes.iter().map(|(node, _)| node.level.cast_signed()).collect::<Vec<_>>())
    .bind(nodes.iter().map(|(node, _)| node.nth.cast_signed()).collect::<Vec<_>>())
    .bind(nodes.iter().map(|(_, root)| root.as_slice()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// The roots of some of the smallest parts that are kept, read from the events.
async fn part_roots(conn: &mut PgConnection, parts: Range<u64>) -> Result<Vec<Hash>, TreeError> {
    let mut roots = Vec::new();
    let mut part = Frontier::default();
    let mut position = parts.start * PART;
    let mut events = sqlx::query_as::<_, RawEvent>(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE position > $1 AND position <= $2
          ORDER BY position",
    )
    .bind(position.cast_signed())
    .bind((parts.end * PART).cast_signed())
    .fetch(conn);
    while let Some(event) = events.try_next().await? {
        position += 1;
        if event.position.cast_unsigned() != position {
            return Err(TreeError::Missing(position));
        }
        part.push(event.leaf());
        if part.size() == PART {
            roots.push(std::mem::take(&mut part).root());
        }
    }
    if position == parts.end * PART {
        Ok(roots)
    } else {
        Err(TreeError::Missing(position + 1))
    }
}

/// The leaves of some small parts, by position.
async fn leaves(conn: &mut PgConnection, nodes: &[Node]) -> sqlx::Result<HashMap<u64, Hash>> {
    let positions: Vec<i64> = nodes
        .iter()
        .flat_map(|node| node.positions())
        .map(u64::cast_signed)
        .collect();
    let events: Vec<RawEvent> = sqlx::query_as(
        "SELECT position
              , aggregate_type
              , aggregate_id
              , version
              , event_type
              , schema_version
              , payload
              , metadata
              , recorded_at
           FROM log.events
          WHERE position = ANY($1)",
    )
    .bind(positions)
    .fetch_all(conn)
    .await?;
    let leaf = |event: &RawEvent| (event.position.cast_unsigned(), event.leaf());
    Ok(events.iter().map(leaf).collect())
}

fn root_of_leaves(node: Node, leaves: &HashMap<u64, Hash>) -> Result<Hash, TreeError> {
    let mut part = Frontier::default();
    for position in node.positions() {
        part.push(*leaves.get(&position).ok_or(TreeError::Missing(position))?);
    }
    Ok(part.root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{evidence::proof, log::leaf};

    #[test]
    fn the_parts_of_a_range_make_up_its_root() {
        let leaves: HashMap<u64, Hash> = (1..=200)
            .map(|at: u64| (at, leaf(&at.to_be_bytes())))
            .collect();
        let root = |range: Range<u64>| {
            let mut frontier = Frontier::default();
            range.for_each(|at| frontier.push(leaves[&(at + 1)]));
            frontier.root()
        };
        for size in 1..200 {
            let whole = 0..size;
            let mut ranges = vec![whole];
            for other in 0..size {
                ranges.extend(proof::inclusion(other, size).unwrap());
                ranges.extend(proof::consistency(other, size).unwrap());
            }
            for range in ranges {
                let parts = perfect_parts(range.clone());
                let roots: Vec<Hash> = parts
                    .iter()
                    .map(|node| root_of_leaves(*node, &leaves).unwrap())
                    .collect();
                assert_eq!(root_over(&roots), root(range.clone()), "{range:?}");
            }
        }
    }

    #[test]
    fn joined_parts_are_the_trees_that_the_parts_make_up() {
        let (mut peaks, mut nodes) = (Vec::new(), Vec::new());
        let mut frontier = Frontier::default();
        for nth in 0..50_u64 {
            let root = leaf(&nth.to_be_bytes());
            join(nth, root, &mut peaks, &mut nodes);
            frontier.push(root);
            assert_eq!(peaks.concat(), frontier.to_bytes());
            let known: HashMap<Node, Hash> = nodes.iter().copied().collect();
            let whole = perfect_parts(0..(nth + 1) * PART);
            assert_eq!(
                whole.iter().map(|node| known[node]).collect::<Vec<_>>(),
                peaks
            );
        }
    }
}
