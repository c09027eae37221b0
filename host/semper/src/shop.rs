//! A merchant's catalogue: what is there, what is in stock, what is sent where.

use std::path::Path;

use semper_archive::Home;
use semper_base::Report;
use semper_base::text::counted;
use semper_roles::catalogue::{self, Catalogue};
use serde_json::json;

use crate::print;

/// The catalogue of a home.
fn open(home: &Path) -> Result<Catalogue, Report> {
    let home = Home::open(home)?;
    Ok(Catalogue::open(&home.path().join(catalogue::FILE))?)
}

pub fn list(home: &Path, words: &str, most: u32, as_json: bool) -> Result<(), Report> {
    let (articles, total) = open(home)?.list(words, 0, most)?;
    if as_json {
        let shown = |it: &semper_runtime::business::Article| {
            json!({
                "number": it.number, "title": it.title, "category": it.category, "size": it.size,
                "colour": it.colour, "price": it.price.to_string(), "stock": it.stock,
                "delivery_days": it.delivery_days,
            })
        };
        let shown: Vec<_> = articles.iter().map(shown).collect();
        return print::json(&json!({"articles": shown, "total": total}));
    }
    for it in &articles {
        let price = it.price.to_string();
        print::line(&format!(
            "{:12}  {price:>14}  {:>6} in stock  {:>3} d  {}",
            it.number, it.stock, it.delivery_days, it.title
        ));
    }
    let all = counted(total, "article", "articles");
    print::line(&format!("{} of {all}", articles.len()));
    Ok(())
}

pub fn stock(home: &Path, number: &str, pieces: u32) -> Result<(), Report> {
    open(home)?.set_stock(number, pieces)?;
    print::line(&format!("{pieces} of article {number} in stock"));
    Ok(())
}

pub fn remove(home: &Path, number: &str) -> Result<(), Report> {
    open(home)?.remove(number)?;
    print::line(&format!("article {number} is not sold any more"));
    Ok(())
}

pub fn parcels(home: &Path, as_json: bool) -> Result<(), Report> {
    let parcels = open(home)?.parcels()?;
    if as_json {
        return print::json(&parcels);
    }
    if parcels.is_empty() {
        print::line("no parcels yet");
    }
    for it in parcels {
        let to = it.ship_to.lines().collect::<Vec<_>>().join(", ");
        print::line(&format!("{}  deal {}  to {to}", it.number, &it.deal[..8]));
        for (article, quantity) in it.articles {
            print::line(&format!("          {quantity} × {article}"));
        }
    }
    Ok(())
}
