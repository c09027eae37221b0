//! `semper:business`: the merchant's catalogue and fulfilment.

use std::sync::Arc;

use super::convert::amount_out;
use super::v1_2::semper::business::{catalogue, fulfilment};
use crate::business::{Article, Business, Query};
use crate::context::Context;
use crate::stop::{Needed, Stop};
use crate::world::World;

fn business(world: &dyn World) -> Result<Arc<dyn Business>, Stop> {
    world.business()?.ok_or_else(|| Stop::broken("a merchant's host without a catalogue"))
}

/// The application is away: the call is made again.
fn away(what: String) -> Stop {
    Stop::away(Needed::Application, what)
}

fn out(article: Article) -> catalogue::Article {
    catalogue::Article {
        number: article.number,
        title: article.title,
        category: article.category,
        size: article.size,
        colour: article.colour,
        price: amount_out(article.price),
        stock: article.stock,
        delivery_days: article.delivery_days,
    }
}

impl catalogue::Host for Context {
    fn search(
        &mut self,
        what: catalogue::Query,
    ) -> wasmtime::Result<(Vec<catalogue::Article>, u32)> {
        let world = Arc::clone(&self.world);
        let query = Query {
            words: what.words,
            category: what.category,
            size: what.size,
            colour: what.colour,
            most: what.most,
            offset: what.offset,
            limit: what.limit.min(50),
        };
        let (found, total): (Vec<Article>, u32) =
            self.journal.read("business/catalogue.search", &query, || {
                business(&*world)?.search(&query).map_err(away)
            })?;
        self.calls += 1;
        Ok((found.into_iter().map(out).collect(), total))
    }

    fn lookup(&mut self, number: String) -> wasmtime::Result<Option<catalogue::Article>> {
        let world = Arc::clone(&self.world);
        let found: Option<Article> =
            self.journal.read("business/catalogue.lookup", &number, || {
                business(&*world)?.lookup(&number).map_err(away)
            })?;
        self.calls += 1;
        Ok(found.map(out))
    }
}

impl fulfilment::Host for Context {
    fn reserve(&mut self, article: String, quantity: u32) -> wasmtime::Result<bool> {
        let (world, deal) = (Arc::clone(&self.world), self.deal.id);
        let done =
            self.journal.effect("business/fulfilment.reserve", &(&article, quantity), |call| {
                let done =
                    business(&*world)?.reserve(deal, call.key, &article, quantity).map_err(away)?;
                Ok((done, Vec::new()))
            })?;
        self.calls += 1;
        Ok(done)
    }

    fn release(&mut self) -> wasmtime::Result<()> {
        let (world, deal) = (Arc::clone(&self.world), self.deal.id);
        self.journal.effect("business/fulfilment.release", &(), |call| {
            business(&*world)?.release(deal, call.key).map_err(away)?;
            Ok(((), Vec::new()))
        })?;
        self.calls += 1;
        Ok(())
    }

    fn ship(&mut self, ship_to: String) -> wasmtime::Result<String> {
        let (world, deal) = (Arc::clone(&self.world), self.deal.id);
        let parcel = self.journal.effect("business/fulfilment.ship", &ship_to, |call| {
            Ok((business(&*world)?.ship(deal, call.key, &ship_to).map_err(away)?, Vec::new()))
        })?;
        self.calls += 1;
        Ok(parcel)
    }
}
