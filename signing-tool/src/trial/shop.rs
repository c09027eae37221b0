//! The merchant's own affairs in a play: a catalogue from a file, and a shelf that forgets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use semper_base::{Amount, DealId, Digest, Report};
use semper_runtime::business::{Article, Business, Query};

use crate::files;

/// The columns of a catalogue, and whether a file may leave one out.
const COLUMNS: [(&str, bool); 8] = [
    ("number", false),
    ("title", false),
    ("category", true),
    ("size", true),
    ("colour", true),
    ("price", false),
    ("stock", false),
    ("delivery_days", false),
];

/// A shop.
#[derive(Debug)]
pub struct Shop {
    articles: Vec<Article>,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    reserved: BTreeMap<String, u32>,
    parcels: u32,
}

impl Shop {
    /// A shop with a catalogue; an empty one without a file.
    pub fn open(catalogue: Option<&Path>) -> Result<Self, Report> {
        let articles = catalogue.map(read).transpose()?.unwrap_or_default();
        Ok(Self { articles, shelf: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, number: &str) -> Option<&Article> {
        self.articles.iter().find(|it| it.number == number)
    }
}

fn read(file: &Path) -> Result<Vec<Article>, Report> {
    let wrong = |what: String| {
        let columns: Vec<&str> = COLUMNS.iter().map(|it| it.0).collect();
        let mend = format!("a heading with {}, and a line for each article", columns.join(", "));
        Report::input(format!("{}: {what}", file.display()), mend)
    };
    let text = files::text(file)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let mut places = BTreeMap::new();
    for (name, optional) in COLUMNS {
        match headings.iter().position(|it| it == name) {
            Some(at) => drop(places.insert(name, at)),
            None if optional => {}
            None => return Err(wrong(format!("there is no column “{name}”"))),
        }
    }
    let mut articles: Vec<Article> = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(index as u64 + 2, csv::Position::line);
        let cell = |name: &str| places.get(name).and_then(|at| record.get(*at)).unwrap_or_default();
        let bad =
            |name: &str, why: &str| wrong(format!("line {line}, {name} “{}”: {why}", cell(name)));
        let price = cell("price").parse::<Amount>();
        let article = Article {
            number: cell("number").to_owned(),
            title: cell("title").to_owned(),
            category: cell("category").to_owned(),
            size: cell("size").to_owned(),
            colour: cell("colour").to_owned(),
            price: price.map_err(|error| bad("price", &error.to_string()))?,
            stock: cell("stock").parse().map_err(|_| bad("stock", "not a number of pieces"))?,
            delivery_days: cell("delivery_days")
                .parse()
                .map_err(|_| bad("delivery_days", "not a number of days"))?,
        };
        if article.number.is_empty() || articles.iter().any(|it| it.number == article.number) {
            return Err(bad("number", "empty, or there twice"));
        }
        articles.push(article);
    }
    Ok(articles)
}

impl Business for Shop {
    fn search(&self, query: &Query) -> Result<(Vec<Article>, u32), String> {
        let low = |text: &str| text.to_lowercase();
        let words: Vec<String> = query.words.split_whitespace().map(low).collect();
        let is = |wanted: &str, own: &str| wanted.is_empty() || low(wanted) == low(own);
        let fits = |it: &&Article| {
            let text = low(&format!("{} {}", it.title, it.category));
            words.iter().all(|word| text.contains(word))
                && is(&query.category, &it.category)
                && is(&query.size, &it.size)
                && is(&query.colour, &it.colour)
                && query.most.is_none_or(|most| it.price.minor() <= most)
        };
        let found: Vec<&Article> = self.articles.iter().filter(fits).collect();
        let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let page = found.into_iter().skip(query.offset as usize).take(query.limit as usize);
        Ok((page.cloned().collect(), total))
    }

    fn lookup(&self, number: &str) -> Result<Option<Article>, String> {
        Ok(self.find(number).cloned())
    }

    fn reserve(
        &self,
        _deal: DealId,
        _key: Digest,
        article: &str,
        quantity: u32,
    ) -> Result<bool, String> {
        let Some(known) = self.find(article) else { return Ok(false) };
        let mut shelf = self.lock();
        let held = shelf.reserved.entry(article.to_owned()).or_default();
        let sum = held.saturating_add(quantity);
        if sum <= known.stock {
            *held = sum;
        }
        Ok(sum <= known.stock)
    }

    fn release(&self, _deal: DealId, _key: Digest) -> Result<(), String> {
        self.lock().reserved.clear();
        Ok(())
    }

    fn ship(&self, _deal: DealId, _key: Digest, _to: &str) -> Result<String, String> {
        let mut shelf = self.lock();
        shelf.reserved.clear();
        shelf.parcels += 1;
        Ok(format!("P-{}", shelf.parcels))
    }
}
