//! Merkle proofs, as in RFC 9162 section 2.1: that a leaf is in a tree, and that a tree grew out of an earlier one.
//!
//! A proof is made in two steps. Which hashes it takes is a matter of numbers alone: ranges of leaves, whose roots
//! whoever holds the tree then looks up. Leaves are counted from 0, positions in the log from 1.

use std::ops::Range;

use crate::log::{Frontier, Hash, inner};

/// A proof that proves something else, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongProof {
    /// No such leaf in a tree of this size, or a later tree that is smaller.
    #[error(
        "there is no such proof: a leaf is inside its tree, and the later tree is not the smaller one"
    )]
    Numbers,
    /// Another number of hashes than the sizes ask for.
    #[error("the proof has {given} hashes, and {expected} are needed")]
    Length {
        /// How many it has.
        given: usize,
        /// How many it takes.
        expected: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// The ranges whose roots prove that leaf `index` is in a tree of `size` leaves, the one next to the leaf first.
///
/// # Errors
/// There is no such leaf.
pub fn inclusion(index: u64, size: u64) -> Result<Vec<Range<u64>>, WrongProof> {
    if index >= size {
        return Err(WrongProof::Numbers);
    }
    let mut path = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = middle(&tree);
        if index < middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The ranges whose roots prove that the tree of `to` leaves begins with that of `from` leaves.
///
/// # Errors
/// The later tree is the smaller one.
pub fn consistency(from: u64, to: u64) -> Result<Vec<Range<u64>>, WrongProof> {
    if from > to {
        return Err(WrongProof::Numbers);
    }
    // Anything grew out of nothing.
    if from == 0 {
        return Ok(Vec::new());
    }
    let mut path = Vec::new();
    let mut tree = 0..to;
    while from != tree.end {
        let middle = middle(&tree);
        if from <= middle {
            path.push(middle..tree.end);
            tree.end = middle;
        } else {
            path.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // The whole of the earlier tree is known to whoever verifies.
    if tree.start > 0 {
        path.push(tree);
    }
    path.reverse();
    Ok(path)
}

/// Where a tree of more than one leaf is cut: its left side is as large a perfect tree as possible.
fn middle(tree: &Range<u64>) -> u64 {
    let leaves = tree.end - tree.start;
    tree.start + (1 << (leaves - 1).ilog2())
}

/// Verifies that `leaf` is the leaf `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// It is not proved.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), WrongProof> {
    let ranges = inclusion(index, size)?;
    check_length(path, &ranges)?;
    let found = ranges.iter().zip(path).fold(*leaf, |node, (range, other)| {
        if range.start > index {
            inner(&node, other)
        } else {
            inner(other, &node)
        }
    });
    if found == *root {
        Ok(())
    } else {
        Err(WrongProof::Root)
    }
}

/// Verifies that the tree of `to` leaves with `to_root` begins with the tree of `from` leaves with `from_root`.
///
/// # Errors
/// It is not proved.
pub fn verify_consistency(
    from: u64,
    to: u64,
    path: &[Hash],
    from_root: &Hash,
    to_root: &Hash,
) -> Result<(), WrongProof> {
    let ranges = consistency(from, to)?;
    check_length(path, &ranges)?;
    if from == 0 {
        let is_empty = *from_root == Frontier::default().root();
        return if is_empty {
            Ok(())
        } else {
            Err(WrongProof::Root)
        };
    }
    let mut nodes = ranges.iter().zip(path).peekable();
    // Both roots are built up from the last part of the earlier tree: all of it, if no smaller one was given.
    let first = nodes.next_if(|(range, _)| range.end == from);
    let start = first.map_or(*from_root, |(_, hash)| *hash);
    let (mut earlier, mut later) = (start, start);
    for (range, hash) in nodes {
        if range.start >= from {
            later = inner(&later, hash);
        } else {
            earlier = inner(hash, &earlier);
            later = inner(hash, &later);
        }
    }
    if earlier == *from_root && later == *to_root {
        Ok(())
    } else {
        Err(WrongProof::Root)
    }
}

fn check_length(path: &[Hash], ranges: &[Range<u64>]) -> Result<(), WrongProof> {
    let (given, expected) = (path.len(), ranges.len());
    if given == expected {
        Ok(())
    } else {
        Err(WrongProof::Length { given, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::leaf;

    /// More than a tree of 64, so that every shape of a small tree is there.
    const LARGEST: u64 = 70;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|nth| leaf(&nth.to_be_bytes())).collect()
    }

    fn root(leaves: &[Hash]) -> Hash {
        let mut frontier = Frontier::default();
        for leaf in leaves {
            frontier.push(*leaf);
        }
        frontier.root()
    }

    fn roots(leaves: &[Hash], ranges: &[Range<u64>]) -> Vec<Hash> {
        let at = |place: u64| usize::try_from(place).unwrap();
        ranges
            .iter()
            .map(|range| root(&leaves[at(range.start)..at(range.end)]))
            .collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_as_by_the_definition() {
        // PATH(m, D[n]) of the RFC, word for word.
        fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
            if leaves.len() == 1 {
                return Vec::new();
            }
            let k = 1 << (leaves.len() - 1).ilog2();
            let (mut path, other) = if m < k {
                (path(m, &leaves[..k]), root(&leaves[k..]))
            } else {
                (path(m - k, &leaves[k..]), root(&leaves[..k]))
            };
            path.push(other);
            path
        }
        for size in 1..=LARGEST {
            let leaves = leaves(size);
            for index in 0..size {
                let at = usize::try_from(index).unwrap();
                let made = roots(&leaves, &inclusion(index, size).unwrap());
                assert_eq!(made, path(at, &leaves));
                let verified = verify_inclusion(&leaves[at], index, size, &made, &root(&leaves));
                assert_eq!(verified, Ok(()), "leaf {index} of {size}");
            }
            assert_eq!(inclusion(size, size), Err(WrongProof::Numbers));
        }
    }

    #[test]
    fn every_small_tree_is_proved_to_begin_with_every_smaller_one_as_by_the_definition() {
        // SUBPROOF(m, D[n], b) of the RFC, word for word.
        fn subproof(m: usize, leaves: &[Hash], is_whole: bool) -> Vec<Hash> {
            let n = leaves.len();
            if m == n {
                return if is_whole {
                    Vec::new()
                } else {
                    vec![root(leaves)]
                };
            }
            let k = 1 << (n - 1).ilog2();
            let (mut proof, other) = if m <= k {
                (subproof(m, &leaves[..k], is_whole), root(&leaves[k..]))
            } else {
                (subproof(m - k, &leaves[k..], false), root(&leaves[..k]))
            };
            proof.push(other);
            proof
        }
        let all = leaves(LARGEST);
        let at = |place: u64| usize::try_from(place).unwrap();
        for to in 1..=LARGEST {
            let leaves = &all[..at(to)];
            for from in 1..=to {
                let made = roots(leaves, &consistency(from, to).unwrap());
                assert_eq!(made, subproof(at(from), leaves, true));
                let earlier = root(&leaves[..at(from)]);
                let verified = verify_consistency(from, to, &made, &earlier, &root(leaves));
                assert_eq!(verified, Ok(()), "from {from} to {to}");
            }
        }
        let empty = Frontier::default().root();
        assert_eq!(verify_consistency(0, 3, &[], &empty, &all[0]), Ok(()));
        assert_eq!(consistency(4, 3), Err(WrongProof::Numbers));
    }

    #[test]
    fn nothing_else_is_proved() {
        let leaves = leaves(13);
        let whole = root(&leaves);
        for index in 0..13 {
            let path = roots(&leaves, &inclusion(index, 13).unwrap());
            let mine = &leaves[usize::try_from(index).unwrap()];
            let proves = |leaf, index, size, path: &[Hash], root| {
                verify_inclusion(leaf, index, size, path, root).is_ok()
            };
            assert!(!proves(&whole, index, 13, &path, &whole));
            assert!(!proves(mine, index, 13, &path, mine));
            assert!(!proves(mine, (index + 1) % 13, 13, &path, &whole));
            assert!(!proves(mine, index, 13, &path[1..], &whole));
            assert!(!proves(
                mine,
                index,
                13,
                &[path.as_slice(), &[*mine]].concat(),
                &whole
            ));
            for nth in 0..path.len() {
                let mut path = path.clone();
                path[nth][0] ^= 1;
                assert!(!proves(mine, index, 13, &path, &whole));
            }
        }
        for from in 1..13 {
            let path = roots(&leaves, &consistency(from, 13).unwrap());
            let earlier = root(&leaves[..usize::try_from(from).unwrap()]);
            assert!(verify_consistency(from, 13, &path, &whole, &whole).is_err());
            assert!(verify_consistency(from, 13, &path, &earlier, &earlier).is_err());
            for nth in 0..path.len() {
                let mut path = path.clone();
                path[nth][31] ^= 1;
                assert!(verify_consistency(from, 13, &path, &earlier, &whole).is_err());
            }
        }
    }

    /// The eight leaves, and proofs in their tree, that implementations of Certificate Transparency test against.
    #[test]
    fn the_published_proofs_come_out() {
        let leaves: Vec<Hash> = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ]
        .map(|hex| leaf(&bytes(hex)))
        .into();
        let included: [(u64, u64, &[&str]); 4] = [
            (
                0,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                5,
                8,
                &[
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                3,
                &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
            ),
            (
                1,
                5,
                &[
                    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (index, size, path) in included {
            let made = roots(&leaves, &inclusion(index, size).unwrap());
            assert_eq!(made, hashes(path));
        }
        let grown: [(u64, u64, &[&str]); 3] = [
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (from, to, path) in grown {
            let made = roots(&leaves, &consistency(from, to).unwrap());
            assert_eq!(made, hashes(path));
        }
    }

    fn hashes(hex: &[&str]) -> Vec<Hash> {
        hex.iter()
            .map(|hex| bytes(hex).try_into().unwrap())
            .collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }
}
