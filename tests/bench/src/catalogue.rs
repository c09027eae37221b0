//! Catalogue search at three sizes.

use std::error::Error;
use std::time::{Duration, Instant};

use semper_roles::catalogue::Catalogue;
use semper_runtime::business::{Business as _, Query};
use semper_testkit::catalogue::csv;

const SEARCHES: usize = 200;

pub fn run() -> Result<(), Box<dyn Error>> {
    for articles in [13_000, 100_000, 1_000_000] {
        let folder = tempfile::tempdir()?;
        let catalogue = Catalogue::open(&folder.path().join("catalogue.sqlite"))?;
        let start = Instant::now();
        catalogue.import(csv(articles, 1996).as_bytes(), None, false, |_| {})?;
        super::note(&format!("import of {articles} articles"), &format!("{:.1?}", start.elapsed()));
        let words = ["woollen scarf", "summer dress", "leather boots", "blanket", "nordic coat"];
        let mut times: Vec<Duration> = Vec::with_capacity(SEARCHES);
        for index in 0..SEARCHES {
            let query = Query {
                words: words[index % words.len()].into(),
                colour: if index % 2 == 0 { "red".into() } else { String::new() },
                limit: 12,
                ..Query::default()
            };
            let start = Instant::now();
            catalogue.search(&query)?;
            times.push(start.elapsed());
        }
        times.sort();
        let (p50, p99) = (times[SEARCHES / 2], times[SEARCHES * 99 / 100]);
        let figure = format!("catalogue search, {articles} articles");
        super::note(&figure, &format!("p50 {p50:.1?}, p99 {p99:.1?}"));
    }
    Ok(())
}
