//! The Merkle tree over all events, as in RFC 6962 section 2.1, kept as its frontier: the roots of the perfect
//! subtrees that it is made of. Appending needs no more than that.

use sha2::{Digest, Sha256};

/// A node of the tree.
pub type Hash = [u8; 32];

/// The right edge of a growing Merkle tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The largest subtree first.
    peaks: Vec<Hash>,
}

/// Bytes that are no frontier of a tree of that size.
#[derive(Debug, thiserror::Error)]
#[error(
    "the frontier of a tree of {size} leaves has {expected} hashes of 32 bytes, and there are {bytes} bytes"
)]
pub struct InvalidFrontier {
    size: u64,
    expected: u32,
    bytes: usize,
}

impl Frontier {
    /// Reads the frontier of a tree with `size` leaves.
    ///
    /// # Errors
    /// The bytes do not fit the size.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Result<Self, InvalidFrontier> {
        let expected = size.count_ones();
        let (peaks, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || u32::try_from(peaks.len()) != Ok(expected) {
            let bytes = bytes.len();
            return Err(InvalidFrontier {
                size,
                expected,
                bytes,
            });
        }
        Ok(Self {
            size,
            peaks: peaks.to_vec(),
        })
    }

    /// The hashes one after another, the largest subtree first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and joins the subtrees that have become of equal size.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = inner(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_over(&self.peaks)
    }
}

/// The root of the tree that perfect subtrees make up, the largest first.
#[must_use]
pub fn root_over(peaks: &[Hash]) -> Hash {
    let Some((last, rest)) = peaks.split_last() else {
        return Sha256::digest([]).into();
    };
    rest.iter()
        .rev()
        .fold(*last, |right, left| inner(left, &right))
}

/// The hash of a leaf.
#[must_use]
pub fn leaf(content: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0])
        .chain_update(content)
        .finalize()
        .into()
}

/// The hash of two subtrees side by side.
#[must_use]
pub fn inner(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([1])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition in the RFC, word for word.
    fn tree_hash(leaves: &[Vec<u8>]) -> Hash {
        match leaves.len() {
            0 => Sha256::digest([]).into(),
            1 => leaf(&leaves[0]),
            n => {
                let k = 1 << (n - 1).ilog2();
                inner(&tree_hash(&leaves[..k]), &tree_hash(&leaves[k..]))
            }
        }
    }

    proptest! {
        #[test]
        fn the_root_is_that_of_the_definition(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..70)) {
            let mut frontier = Frontier::default();
            for content in &leaves {
                frontier.push(leaf(content));
            }
            prop_assert_eq!(frontier.root(), tree_hash(&leaves));
            let again = Frontier::from_bytes(frontier.size(), &frontier.to_bytes()).unwrap();
            prop_assert_eq!(again, frontier);
        }
    }

    #[test]
    fn the_known_root_of_the_published_test_tree_comes_out() {
        // The eight leaves and the root that certificate-transparency implementations test against.
        let leaves = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let mut frontier = Frontier::default();
        for hex in leaves {
            let bytes: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            frontier.push(leaf(&bytes));
        }
        let root = hash("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
        assert_eq!(frontier.root(), root);
    }

    #[test]
    fn a_frontier_of_another_size_is_refused() {
        assert!(Frontier::from_bytes(3, &[0; 32]).is_err());
        assert!(Frontier::from_bytes(1, &[0; 33]).is_err());
    }

    fn hash(hex: &str) -> Hash {
        let half = |digits| u128::from_str_radix(digits, 16).unwrap().to_be_bytes();
        let halves = [half(&hex[..32]), half(&hex[32..])];
        halves.concat().try_into().unwrap()
    }
}
