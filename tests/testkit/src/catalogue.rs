//! Articles made by a seeded generator.

use std::fmt::Write as _;

/// A small generator of pseudo-random numbers (splitmix64): reproducible on every machine.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not zero.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next_number() % limit
    }

    /// One of several.
    pub fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).unwrap_or(0)]
    }
}

const MATERIALS: [&str; 12] = [
    "woollen", "cotton", "linen", "silk", "denim", "leather", "corduroy", "velvet", "cashmere",
    "hemp", "fleece", "knitted",
];
const STYLES: [&str; 12] = [
    "classic", "summer", "winter", "travel", "festive", "everyday", "Nordic", "slim", "wide",
    "striped", "plain", "hooded",
];
const GOODS: [(&str, &str); 18] = [
    ("pullover", "knitwear"),
    ("cardigan", "knitwear"),
    ("scarf", "accessories"),
    ("gloves", "accessories"),
    ("cap", "accessories"),
    ("shirt", "shirts"),
    ("blouse", "shirts"),
    ("trousers", "trousers"),
    ("jeans", "trousers"),
    ("skirt", "skirts"),
    ("dress", "dresses"),
    ("coat", "coats"),
    ("jacket", "coats"),
    ("boots", "shoes"),
    ("sandals", "shoes"),
    ("blanket", "home"),
    ("towel", "home"),
    ("curtain", "home"),
];
const SIZES: [&str; 7] = ["XS", "S", "M", "L", "XL", "XXL", ""];
const COLOURS: [&str; 12] = [
    "red", "blue", "green", "black", "white", "grey", "yellow", "brown", "navy", "olive", "rose",
    "orange",
];

/// A catalogue of so many articles, as CSV with its heading.
pub fn csv(articles: u32, seed: u64) -> String {
    let mut random = Seeded::new(seed);
    let mut text = String::from("number,title,category,size,colour,price,stock,delivery_days\n");
    for number in 0..articles {
        let (good, category) = GOODS[usize::try_from(random.below(18)).unwrap_or(0)];
        let (style, material) = (random.pick(&STYLES), random.pick(&MATERIALS));
        let (size, colour) = (random.pick(&SIZES), random.pick(&COLOURS));
        let cents = 499 + random.below(190) * 100;
        let (stock, days) = (200 + random.below(800), 1 + random.below(14));
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "A{number:07},{style} {material} {good},{category},{size},{colour},{}.{:02} EUR,{stock},{days}",
            cents / 100,
            cents % 100
        );
    }
    text
}
