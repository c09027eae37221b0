//! The merchant's own affairs: catalogue, stock, fulfilment. Untrusted by the terms: they can
//! refuse, not cheat. Effects carry the call's key and happen once under it.

use semper_base::{Amount, DealId, Digest};
use serde::{Deserialize, Serialize};

/// An article of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// The merchant's number.
    pub number: String,
    /// What it is.
    pub title: String,
    /// Where it belongs.
    pub category: String,
    /// Its size; may be empty.
    pub size: String,
    /// Its colour; may be empty.
    pub colour: String,
    /// Its price.
    pub price: Amount,
    /// How many can be had.
    pub stock: u32,
    /// Days until one arrives.
    pub delivery_days: u16,
}

/// What to search for; empty texts do not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Words in title and category.
    pub words: String,
    /// One category.
    pub category: String,
    /// One size.
    pub size: String,
    /// One colour.
    pub colour: String,
    /// Most minor units.
    pub most: Option<i64>,
    /// First result.
    pub offset: u32,
    /// How many.
    pub limit: u32,
}

/// The merchant's application. An error is passing: the call is made again.
pub trait Business: Send + Sync + std::fmt::Debug {
    /// Articles that match, best first, and how many there are in all.
    fn search(&self, query: &Query) -> Result<(Vec<Article>, u32), String>;
    /// An article by its number.
    fn lookup(&self, number: &str) -> Result<Option<Article>, String>;
    /// Takes goods out of stock for a deal; false if there are not enough.
    fn reserve(
        &self,
        deal: DealId,
        key: Digest,
        article: &str,
        quantity: u32,
    ) -> Result<bool, String>;
    /// Puts back all that a deal has reserved and not shipped.
    fn release(&self, deal: DealId, key: Digest) -> Result<(), String>;
    /// Hands a deal's goods to fulfilment; the parcel's number.
    fn ship(&self, deal: DealId, key: Digest, to: &str) -> Result<String, String>;
}
