//! Persons of every mood, and a shop.

use std::collections::BTreeMap;
use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use semper_base::{Amount, Currency, DealId, Digest};
use semper_items::Statement;
use semper_items::statement::{Binds, PaymentOrder};
use semper_runtime::business::{Article, Business, Query};
use semper_stage::Script;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::Question;

/// Most questions that a person answers before she has had enough.
pub const PATIENCE: u32 = 60;

/// How a person is disposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Wants to buy and says yes.
    Buys,
    /// Looks around and leaves at some question.
    Leaves(u32),
    /// Declines the first statement that binds so, and every one after it.
    Declines(Binds),
    /// Has no money.
    Poor,
    /// Wants out at some wait.
    Cancels(u32),
}

/// A person.
pub struct Person {
    rng: StdRng,
    mood: Mood,
    asked: u32,
    waited: u32,
}

/// What a person tells merchants: values that appear nowhere else.
pub fn details() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("name", "Wilhelmine Exerzier"),
        ("street", "Prüfstandsallee 77"),
        ("postcode", "98765"),
        ("city", "Übungshausen"),
        ("country", "DE"),
    ])
}

impl Person {
    pub fn new(seed: u64, mood: Mood) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), mood, asked: 0, waited: 0 }
    }

    /// A mood for a seed: most people buy.
    pub fn mood(seed: u64) -> Mood {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x5e4d);
        match rng.random_range(0..100) {
            0..55 => Mood::Buys,
            55..68 => Mood::Leaves(rng.random_range(1..9)),
            68..78 => Mood::Declines(Binds::Pay),
            78..84 => Mood::Declines(Binds::Spend),
            84..90 => Mood::Poor,
            _ => Mood::Cancels(rng.random_range(1..6)),
        }
    }

    fn field(&mut self, name: &str, usual: &str) -> String {
        match name {
            "quantity" => self.rng.random_range(1..5).to_string(),
            "words" => ["", "scarf", "lamp", "book"][self.rng.random_range(0..4)].to_owned(),
            "article" => article(self.rng.random_range(0..ARTICLES), Currency::EUR).number,
            _ => usual.to_owned(),
        }
    }
}

impl Script for Person {
    fn answer(&mut self, question: &Question) -> Answer {
        self.asked += 1;
        let enough = match self.mood {
            Mood::Leaves(after) => self.asked > after,
            _ => self.asked > PATIENCE,
        };
        if enough && !matches!(question, Question::Inform { .. }) {
            return Answer::Leave;
        }
        match question {
            Question::Inform { .. } => Answer::Seen,
            Question::Choose { options, .. } => {
                let count = u32::try_from(options.len()).unwrap_or(1).max(1);
                // The first option is mostly the one that leads on.
                let first = self.rng.random_range(0..100) < 70;
                Answer::Choice(if first { 0 } else { self.rng.random_range(0..count) })
            }
            Question::Form { fields, .. } => {
                let fill = |(name, usual): &(String, String)| self.field(name, usual);
                Answer::Fields(fields.iter().map(fill).collect())
            }
        }
    }

    fn consent(&mut self, statement: &Statement) -> Result<(), String> {
        match self.mood {
            Mood::Declines(binds) if statement.content.kind().binds() == binds => Err("no".into()),
            _ => Ok(()),
        }
    }

    fn pay(&mut self, _order: &PaymentOrder) -> Result<(), Option<String>> {
        if self.mood == Mood::Poor { Err(None) } else { Ok(()) }
    }

    fn detail(&mut self, key: &str) -> Option<String> {
        details().get(key).map(|it| (*it).to_owned())
    }

    fn leaves(&mut self) -> Option<String> {
        let Mood::Cancels(after) = self.mood else { return None };
        self.waited += 1;
        // A component is told once; what it does then is up to it.
        (self.waited == after + 1).then(|| "the person wants to leave".to_owned())
    }
}

/// A merchant who agrees to everything: standing consents.
pub struct Merchant;

impl Script for Merchant {
    fn answer(&mut self, question: &Question) -> Answer {
        match question {
            Question::Choose { .. } => Answer::Choice(0),
            Question::Form { fields, .. } => {
                Answer::Fields(fields.iter().map(|it| it.1.clone()).collect())
            }
            Question::Inform { .. } => Answer::Seen,
        }
    }

    fn consent(&mut self, _statement: &Statement) -> Result<(), String> {
        Ok(())
    }

    fn pay(&mut self, _order: &PaymentOrder) -> Result<(), Option<String>> {
        Err(None)
    }

    fn detail(&mut self, _key: &str) -> Option<String> {
        None
    }

    fn leaves(&mut self) -> Option<String> {
        None
    }
}

/// Articles of the shop.
const ARTICLES: usize = 9;

/// An article by its place.
fn article(index: usize, currency: Currency) -> Article {
    let kinds = ["woollen scarf", "desk lamp", "cookery book"];
    let number = i64::try_from(index).unwrap_or(0);
    Article {
        number: format!("EX-{index:03}"),
        title: format!("{} no. {index}", kinds[index % kinds.len()]),
        category: kinds[index % kinds.len()].to_owned(),
        size: String::new(),
        colour: String::new(),
        price: Amount::new(1_290 + 1_717 * number, currency),
        stock: if index == ARTICLES - 1 { 0 } else { 3 + index as u32 },
        delivery_days: 2 + (index % 4) as u16,
    }
}

/// A shop with a shelf of its own for every deal.
#[derive(Debug)]
pub struct Shop {
    currency: Currency,
    shelf: Mutex<Shelf>,
}

/// What has happened to the goods.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// Reserved and neither released nor shipped.
    pub reserved: BTreeMap<String, u32>,
    /// Parcels handed over.
    pub shipped: u32,
}

impl Shop {
    pub fn new(currency: Currency) -> Self {
        Self { currency, shelf: Mutex::default() }
    }

    /// The price of an article.
    pub fn price(&self, number: &str) -> Option<Amount> {
        self.all().find(|it| it.number == number).map(|it| it.price)
    }

    /// What has happened to the goods.
    pub fn shelf(&self) -> Shelf {
        self.lock().clone()
    }

    fn all(&self) -> impl Iterator<Item = Article> {
        (0..ARTICLES).map(|index| article(index, self.currency))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Business for Shop {
    fn search(&self, query: &Query) -> Result<(Vec<Article>, u32), String> {
        let fits = |it: &Article| {
            it.title.contains(&query.words)
                && query.most.is_none_or(|most| it.price.minor() <= most)
                && it.stock > 0
        };
        let found: Vec<Article> = self.all().filter(fits).collect();
        let total = found.len() as u32;
        let page = found.into_iter().skip(query.offset as usize).take(query.limit as usize);
        Ok((page.collect(), total))
    }

    fn lookup(&self, number: &str) -> Result<Option<Article>, String> {
        Ok(self.all().find(|it| it.number == number))
    }

    fn reserve(
        &self,
        _deal: DealId,
        _key: Digest,
        article: &str,
        quantity: u32,
    ) -> Result<bool, String> {
        let Some(known) = self.all().find(|it| it.number == article) else { return Ok(false) };
        let mut shelf = self.lock();
        let held = shelf.reserved.entry(article.to_owned()).or_default();
        if held.saturating_add(quantity) > known.stock {
            return Ok(false);
        }
        *held += quantity;
        Ok(true)
    }

    fn release(&self, _deal: DealId, _key: Digest) -> Result<(), String> {
        self.lock().reserved.clear();
        Ok(())
    }

    fn ship(&self, _deal: DealId, _key: Digest, _to: &str) -> Result<String, String> {
        let mut shelf = self.lock();
        shelf.reserved.clear();
        shelf.shipped += 1;
        Ok(format!("P-{}", shelf.shipped))
    }
}
