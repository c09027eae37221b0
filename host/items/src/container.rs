//! Containers: trees of items whose inner nodes carry security attributes.
//!
//! A leaf is an [`Item`]. An inner node holds children, or protects one subtree by a
//! signature, by encryption to a key, or asks for a receipt of it. Opening goes from the top
//! down; a node whose signature or decryption fails yields an error that names its path, and
//! nothing below it (nor anything else of the container) is released. Depth, leaves and sizes
//! are bounded. Source: seed 1 §III.B ("tree-like packages called containers").

use semper_base::cbor::{self, CborError};
use semper_base::{KeyId, SealPublic};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::limits;

/// A business item, as it lies in a container's leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Item {
    /// A payment, as its module proves it: for account modules the bank's signed confirmation.
    Money(ByteBuf),
    /// A signed statement (COSE_Sign1).
    Statement(ByteBuf),
    /// Information of a named kind, such as a catalogue query and its answer.
    Information {
        /// Which kind, as the flow names it.
        kind: String,
        /// The bytes, whose meaning is the services' own.
        body: ByteBuf,
    },
    /// Talk before a fair exchange: a proposal, its answer, a refusal; the exchange
    /// layer's own.
    Exchange(ByteBuf),
}

/// A node as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Node {
    /// One item.
    Leaf(Item),
    /// Several nodes beside one another.
    Branch(Vec<Node>),
    /// A signed subtree: COSE_Sign1 over the encoded node.
    Signed(ByteBuf),
    /// An encrypted subtree: HPKE over the encoded node.
    Sealed {
        /// The key that opens it.
        to: KeyId,
        /// Encapsulated key, ciphertext and tag.
        sealed: ByteBuf,
    },
    /// A subtree for which the sender asks a receipt.
    Receipted(Box<Node>),
}

/// The plan of a container: the same tree, before signing and sealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// One item.
    Leaf(Item),
    /// Several plans beside one another.
    Branch(Vec<Plan>),
    /// Sign the encoded subtree.
    Sign(Box<Plan>),
    /// Encrypt the subtree to this key.
    Seal(SealPublic, KeyId, Box<Plan>),
    /// Ask a receipt for the subtree.
    Receipt(Box<Plan>),
}

/// A container: the root node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The top of the tree.
    pub root: Node,
}

/// A leaf that came out of a container, with what protected it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where it stood: child numbers from the root, such as `/0/2`.
    pub path: String,
    /// The item that lay there.
    pub item: Item,
    /// Keys that signed it, outermost first.
    pub signers: Vec<KeyId>,
    /// Whether it was encrypted.
    pub sealed: bool,
    /// Whether the sender asks for a receipt.
    pub receipt: bool,
}

/// The keys that packing and opening need; whoever holds them implements it.
pub trait Keys {
    /// Signs an encoded subtree in the domain `container`.
    fn sign(&self, subtree: &[u8]) -> Result<Vec<u8>, String>;
    /// Verifies such a signature; the subtree and who signed it.
    fn verify(&self, signed: &[u8]) -> Result<(Vec<u8>, KeyId), String>;
    /// Opens what was sealed to the key `to`.
    fn open(&self, to: KeyId, sealed: &[u8]) -> Result<Vec<u8>, String>;
}

/// HPKE `info` of sealed subtrees.
pub const SEAL_INFO: &[u8] = b"semper/v1/container";

/// Why a container cannot be packed or opened; always with the node's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("container node {path}: {fault}")]
pub struct OpenError {
    /// The path of the node that could not be opened.
    pub path: String,
    /// The fault in it.
    pub fault: String,
}

impl Container {
    /// A container of one item.
    pub fn of(item: Item) -> Self {
        Self { root: Node::Leaf(item) }
    }

    /// The item of a container that is nothing but one.
    pub fn item(&self) -> Option<&Item> {
        match &self.root {
            Node::Leaf(item) => Some(item),
            _ => None,
        }
    }

    /// Packs a plan: signs and seals from the leaves up.
    pub fn pack(plan: &Plan, keys: &impl Keys) -> Result<Self, OpenError> {
        let root = pack(plan, keys, "/", 0)?;
        let container = Self { root };
        let size = cbor::encode(&container).len();
        if size > limits::CONTAINER {
            let error = CborError::TooLong { got: size, most: limits::CONTAINER };
            return Err(fault("/", error));
        }
        Ok(container)
    }

    /// Parses a container without opening it.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::decode(bytes, limits::CONTAINER)
    }

    /// All leaves, or the first node that fails and nothing at all.
    pub fn open(&self, keys: &impl Keys) -> Result<Vec<Opened>, OpenError> {
        let mut leaves = Vec::new();
        let seen = Seen { signers: Vec::new(), sealed: false, receipt: false };
        open(&self.root, keys, "/", 0, &seen, &mut leaves)?;
        Ok(leaves)
    }
}

fn fault(path: &str, fault: impl ToString) -> OpenError {
    OpenError { path: path.to_owned(), fault: fault.to_string() }
}

fn child(path: &str, index: usize) -> String {
    format!("{}/{index}", path.trim_end_matches('/'))
}

fn check_depth(path: &str, depth: usize) -> Result<(), OpenError> {
    if depth < limits::DEPTH {
        return Ok(());
    }
    Err(fault(path, format!("deeper than {} levels", limits::DEPTH)))
}

fn pack(plan: &Plan, keys: &impl Keys, path: &str, depth: usize) -> Result<Node, OpenError> {
    check_depth(path, depth)?;
    let below = child(path, 0);
    match plan {
        Plan::Leaf(item) => Ok(Node::Leaf(item.clone())),
        Plan::Branch(plans) => plans
            .iter()
            .enumerate()
            .map(|(index, plan)| pack(plan, keys, &child(path, index), depth + 1))
            .collect::<Result<_, _>>()
            .map(Node::Branch),
        Plan::Sign(plan) => {
            let subtree = cbor::encode(&pack(plan, keys, &below, depth + 1)?);
            let signed = keys.sign(&subtree).map_err(|error| fault(path, error))?;
            Ok(Node::Signed(ByteBuf::from(signed)))
        }
        Plan::Seal(key, to, plan) => {
            let subtree = cbor::encode(&pack(plan, keys, &below, depth + 1)?);
            let sealed = key
                .seal(SEAL_INFO, to.digest().as_bytes(), &subtree)
                .map_err(|error| fault(path, error))?;
            Ok(Node::Sealed { to: *to, sealed: ByteBuf::from(sealed) })
        }
        Plan::Receipt(plan) => Ok(Node::Receipted(Box::new(pack(plan, keys, &below, depth + 1)?))),
    }
}

/// The protection of everything above the node being opened.
#[derive(Clone)]
struct Seen {
    signers: Vec<KeyId>,
    sealed: bool,
    receipt: bool,
}

fn open(
    node: &Node,
    keys: &impl Keys,
    path: &str,
    depth: usize,
    seen: &Seen,
    leaves: &mut Vec<Opened>,
) -> Result<(), OpenError> {
    check_depth(path, depth)?;
    let below = child(path, 0);
    let subtree = |bytes: &[u8]| {
        cbor::decode::<Node>(bytes, limits::CONTAINER).map_err(|error| fault(path, error))
    };
    match node {
        Node::Leaf(item) => {
            if leaves.len() == limits::LEAVES {
                return Err(fault(path, format!("more than {} leaves", limits::LEAVES)));
            }
            leaves.push(Opened {
                path: path.to_owned(),
                item: item.clone(),
                signers: seen.signers.clone(),
                sealed: seen.sealed,
                receipt: seen.receipt,
            });
            Ok(())
        }
        Node::Branch(nodes) => nodes.iter().enumerate().try_for_each(|(index, node)| {
            open(node, keys, &child(path, index), depth + 1, seen, leaves)
        }),
        Node::Signed(signed) => {
            let (bytes, signer) = keys.verify(signed).map_err(|error| fault(path, error))?;
            let mut seen = seen.clone();
            seen.signers.push(signer);
            open(&subtree(&bytes)?, keys, &below, depth + 1, &seen, leaves)
        }
        Node::Sealed { to, sealed } => {
            let bytes = keys.open(*to, sealed).map_err(|error| fault(path, error))?;
            let seen = Seen { sealed: true, ..seen.clone() };
            open(&subtree(&bytes)?, keys, &below, depth + 1, &seen, leaves)
        }
        Node::Receipted(node) => {
            let seen = Seen { receipt: true, ..seen.clone() };
            open(node, keys, &below, depth + 1, &seen, leaves)
        }
    }
}
