//! What the two halves of mail-order say to each other between signed statements.
//!
//! Each kind of information that the flow names has one type here, encoded as CBOR. The other
//! side is not trusted: what does not decode ends the deal.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use minicbor::{Decode, Encode};

/// Kinds of information, as the flow names them.
pub mod kind {
    /// [`super::Query`], by the buyer.
    pub const QUERY: &str = "query";
    /// [`super::Page`], by the seller.
    pub const PAGE: &str = "page";
    /// [`super::Cart`], by the buyer.
    pub const CART: &str = "cart";
    /// [`super::Availability`], by the seller.
    pub const AVAILABILITY: &str = "availability";
    /// Empty: the buyer asks for an offer for the cart.
    pub const OFFER_WANTED: &str = "offer-wanted";
}

/// What to search for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Query {
    /// Words in title or category.
    #[n(0)]
    pub words: String,
    /// One category.
    #[n(1)]
    pub category: String,
    /// One size.
    #[n(2)]
    pub size: String,
    /// One colour.
    #[n(3)]
    pub colour: String,
    /// The dearest price, in whole units of the catalogue's currency.
    #[n(4)]
    pub most: Option<i64>,
    /// First result, from 0.
    #[n(5)]
    pub offset: u32,
}

/// A page of results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Page {
    /// The articles.
    #[n(0)]
    pub articles: Vec<Article>,
    /// How many match in all.
    #[n(1)]
    pub total: u32,
}

/// An article, as the buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Article {
    /// The merchant's number.
    #[n(0)]
    pub number: String,
    /// What it is.
    #[n(1)]
    pub title: String,
    /// Size and colour, in words.
    #[n(2)]
    pub variant: String,
    /// The price in minor units.
    #[n(3)]
    pub minor: i64,
    /// Its currency.
    #[n(4)]
    pub currency: String,
    /// How many can be had.
    #[n(5)]
    pub stock: u32,
    /// Days until it arrives.
    #[n(6)]
    pub days: u16,
}

/// What the buyer may want to order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Cart {
    /// Article numbers and how many.
    #[n(0)]
    pub lines: Vec<CartLine>,
}

/// One line of a cart.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CartLine {
    /// The article's number.
    #[n(0)]
    pub article: String,
    /// How many.
    #[n(1)]
    pub quantity: u32,
}

/// Whether and when the cart can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Availability {
    /// Numbers of articles that cannot be had in that quantity.
    #[n(0)]
    pub missing: Vec<String>,
    /// Days until everything arrives.
    #[n(1)]
    pub days: u16,
}

/// Encodes a message.
pub fn encode<T: Encode<()>>(message: &T) -> Vec<u8> {
    // Writing into a Vec cannot fail.
    minicbor::to_vec(message).unwrap_or_default()
}

/// What can be decoded here.
pub trait Readable<'b>: Decode<'b, ()> {}

impl<'b, T: Decode<'b, ()>> Readable<'b> for T {}

/// Decodes a message of the other side's; one sentence if it is not one.
pub fn decode<T: for<'b> Readable<'b>>(bytes: &[u8]) -> Result<T, String> {
    minicbor::decode(bytes).map_err(|_| "the other side sent something unreadable".to_string())
}
