//! A growing Merkle tree in tiles (c2sp.org/tlog-tiles), and proofs out of tiles.
//!
//! A tile holds up to 256 hashes of one level; a full one never changes. The tree itself keeps
//! only the tiles at its right edge in memory; the caller stores what [`Tree::append`] gives.

use semper_base::Digest;
use semper_base::text::counted;
use serde::{Deserialize, Serialize};
use tlog_tiles::{Error, Tile, TileHashReader, TileReader};

use crate::{inner, outer};

/// The height of tiles: 256 hashes each.
pub const HEIGHT: u8 = 8;
/// Hashes of a full tile, and entries of a full bundle.
pub const WIDTH: usize = 256;
/// Bytes of a hash.
pub const HASH: usize = 32;

/// Why there is no tree or proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile is missing, of the wrong size, or not of this tree.
    #[error("the tiles do not belong to a tree of {} with that root: {why}", counted(*size, "entry", "entries"))]
    Tiles {
        /// How many entries.
        size: u64,
        /// What the algorithm found.
        why: String,
    },
    /// A proof does not hold.
    #[error("the tree of {} is not the one of {old} grown", counted(*new, "entry", "entries"))]
    NotGrown {
        /// Entries before.
        old: u64,
        /// Entries after.
        new: u64,
    },
    /// Asked for what cannot be.
    #[error("there is no entry {index} in a tree of {size}")]
    Range {
        /// Which.
        index: u64,
        /// Of how many.
        size: u64,
    },
}

/// The right edge of a tree: per level the hashes of the tile that is not yet full.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    size: u64,
    edge: Vec<Vec<Digest>>,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of so many entries, out of stored tiles: `tile` gives the hashes of the tile
    /// of a level, with a number and a width.
    pub fn load(
        size: u64,
        mut tile: impl FnMut(u8, u64, usize) -> Option<Vec<u8>>,
    ) -> Result<Self, TreeError> {
        let missing = |why: &str| TreeError::Tiles { size, why: why.to_owned() };
        let mut edge = Vec::new();
        let (mut level, mut count) = (0_u8, size);
        while count > 0 {
            let width = (count % WIDTH as u64) as usize;
            let hashes = if width == 0 {
                Vec::new()
            } else {
                let bytes = tile(level, count / WIDTH as u64, width)
                    .filter(|bytes| bytes.len() == width * HASH)
                    .ok_or_else(|| missing("a tile is missing or damaged"))?;
                bytes.chunks_exact(HASH).map(hash).collect()
            };
            edge.push(hashes);
            count /= WIDTH as u64;
            level += 1;
        }
        Ok(Self { size, edge })
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Full tiles that this makes are given to `full`: level, number, hashes.
    pub fn append(&mut self, leaf: Digest, mut full: impl FnMut(u8, u64, &[Digest])) {
        let mut hash = leaf;
        let mut number = self.size;
        for level in 0.. {
            if self.edge.len() == level {
                self.edge.push(Vec::new());
            }
            let tile = &mut self.edge[level];
            tile.push(hash);
            number /= WIDTH as u64;
            if tile.len() < WIDTH {
                break;
            }
            full(level as u8, number, tile);
            hash = subtree(tile);
            tile.clear();
        }
        self.size += 1;
    }

    /// The tiles at the right edge that are not full: level, number, hashes.
    pub fn partial(&self) -> impl Iterator<Item = (u8, u64, &[Digest])> {
        let mut count = self.size;
        self.edge.iter().enumerate().filter_map(move |(level, hashes)| {
            count /= WIDTH as u64;
            (!hashes.is_empty()).then_some((level as u8, count, hashes.as_slice()))
        })
    }

    /// The root (RFC 6962 §2.1).
    pub fn root(&self) -> Digest {
        let mut root: Option<Digest> = None;
        for hashes in &self.edge {
            let mut rest = hashes.as_slice();
            // Complete subtrees from the right: the lowest bits of the count are the smallest.
            while !rest.is_empty() {
                let width = 1 << rest.len().trailing_zeros();
                let (left, right) = rest.split_at(rest.len() - width);
                let own = subtree(right);
                root = Some(root.map_or(own, |below| node(own, below)));
                rest = left;
            }
        }
        root.unwrap_or_else(crate::empty)
    }
}

/// The root of a complete subtree: the number of hashes is a power of two.
fn subtree(hashes: &[Digest]) -> Digest {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node(pair[0], pair[1])).collect();
    }
    row.first().copied().unwrap_or_else(crate::empty)
}

fn hash(bytes: &[u8]) -> Digest {
    let mut hash = [0; HASH];
    hash.copy_from_slice(bytes);
    Digest::from_bytes(hash)
}

fn node(left: Digest, right: Digest) -> Digest {
    outer(tlog_tiles::node_hash(inner(left), inner(right)))
}

/// Tiles by path, such as `tile/0/000`; whatever they come from is checked against the tree.
struct Tiles<F>(F);

impl<F: Fn(&str) -> Option<Vec<u8>>> TileReader for Tiles<F> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            let path = path(tile.level(), tile.level_index(), tile.width() as usize);
            let wide = tile.width() as usize * HASH;
            let bytes = (self.0)(&path).or_else(|| {
                // A partial tile may be gone once the full one is there.
                (self.0)(&self::path(tile.level(), tile.level_index(), WIDTH))
                    .and_then(|full| full.get(..wide).map(<[u8]>::to_vec))
            });
            bytes.filter(|bytes| bytes.len() == wide).ok_or(Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _tiles: &[Tile], _data: &[Vec<u8>]) {}
}

/// The path of a tile, below `tile/`'s parent (c2sp.org/tlog-tiles).
pub fn path(level: u8, number: u64, width: usize) -> String {
    format!("tile/{level}/{}", numbered(number, width))
}

/// The path of a bundle of entries.
pub fn entries_path(number: u64, width: usize) -> String {
    format!("tile/entries/{}", numbered(number, width))
}

/// `x001/x234/067`, with `.p/5` if it is partial.
fn numbered(number: u64, width: usize) -> String {
    let mut text = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    if width < WIDTH { format!("{text}.p/{width}") } else { text }
}

/// The proof that entry `index` is in the tree, out of tiles by path.
pub fn prove(
    size: u64,
    root: Digest,
    index: u64,
    tiles: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<Digest>, TreeError> {
    if index >= size {
        return Err(TreeError::Range { index, size });
    }
    let tiles = Tiles(tiles);
    let reader = TileHashReader::new(size, inner(root), &tiles);
    tlog_tiles::prove_record(size, index, &reader)
        .map(|path| path.into_iter().map(outer).collect())
        .map_err(|error| TreeError::Tiles { size, why: error.to_string() })
}

/// The proof that the tree of `old` entries is a beginning of this one.
pub fn prove_growth(
    size: u64,
    root: Digest,
    old: u64,
    tiles: impl Fn(&str) -> Option<Vec<u8>>,
) -> Result<Vec<Digest>, TreeError> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    if old > size {
        return Err(TreeError::Range { index: old, size });
    }
    let tiles = Tiles(tiles);
    let reader = TileHashReader::new(size, inner(root), &tiles);
    tlog_tiles::prove_tree(size, old, &reader)
        .map(|path| path.into_iter().map(outer).collect())
        .map_err(|error| TreeError::Tiles { size, why: error.to_string() })
}

/// Checks such a proof.
pub fn check_growth(
    path: &[Digest],
    (old, old_root): (u64, Digest),
    (new, new_root): (u64, Digest),
) -> Result<(), TreeError> {
    let wrong = TreeError::NotGrown { old, new };
    match old {
        _ if old > new || new > 1 << 62 => Err(wrong),
        0 => {
            if path.is_empty() {
                Ok(())
            } else {
                Err(wrong)
            }
        }
        _ if old == new => {
            if path.is_empty() && old_root == new_root {
                Ok(())
            } else {
                Err(wrong)
            }
        }
        _ => {
            let path = path.iter().copied().map(inner).collect();
            tlog_tiles::check_tree(&path, new, inner(new_root), old, inner(old_root))
                .map_err(|_| wrong)
        }
    }
}

/// A bundle of entries as it is stored: each after its length in two bytes.
pub fn bundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&entry[..usize::from(length)]);
    }
    bytes
}

/// The entries of a bundle.
pub fn entries(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at_checked(2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let (entry, rest) = rest.split_at_checked(length)?;
        all.push(entry.to_vec());
        bytes = rest;
    }
    Some(all)
}
