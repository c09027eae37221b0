//! The merchant's own affairs, with somebody who looks on.

use std::sync::{Arc, Mutex, PoisonError};

use semper_base::{DealId, Digest};
use semper_runtime::business::{Article, Business, Query};

use super::{Inner, Seen};

/// What a component has asked of the merchant's own affairs, and what was answered.
#[derive(Clone, Debug)]
pub enum Shopped {
    /// A search: the articles that were found, and how many there are.
    Search(Query, Vec<Article>, u32),
    /// An article by its number.
    Lookup(String, Option<Article>),
    /// Goods put aside: article, quantity, whether there were enough.
    Reserve(String, u32, bool),
    /// Everything put back.
    Release,
    /// A parcel: to whom, and its number.
    Ship(String, String),
}

/// A shop whose every answer is written down.
pub(super) struct Watched {
    pub(super) shop: Arc<dyn Business>,
    pub(super) inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched({:?})", self.shop)
    }
}

impl Watched {
    fn saw(&self, what: Shopped) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.seen.push(Seen::Shopped(what));
    }
}

impl Business for Watched {
    fn search(&self, query: &Query) -> Result<(Vec<Article>, u32), String> {
        let (found, total) = self.shop.search(query)?;
        self.saw(Shopped::Search(query.clone(), found.clone(), total));
        Ok((found, total))
    }

    fn lookup(&self, number: &str) -> Result<Option<Article>, String> {
        let found = self.shop.lookup(number)?;
        self.saw(Shopped::Lookup(number.to_owned(), found.clone()));
        Ok(found)
    }

    fn reserve(
        &self,
        deal: DealId,
        key: Digest,
        article: &str,
        quantity: u32,
    ) -> Result<bool, String> {
        let done = self.shop.reserve(deal, key, article, quantity)?;
        self.saw(Shopped::Reserve(article.to_owned(), quantity, done));
        Ok(done)
    }

    fn release(&self, deal: DealId, key: Digest) -> Result<(), String> {
        self.shop.release(deal, key)?;
        self.saw(Shopped::Release);
        Ok(())
    }

    fn ship(&self, deal: DealId, key: Digest, to: &str) -> Result<String, String> {
        let parcel = self.shop.ship(deal, key, to)?;
        self.saw(Shopped::Ship(to.to_owned(), parcel.clone()));
        Ok(parcel)
    }
}
