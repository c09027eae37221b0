//! The rows that the window holds: only pages that were looked at lately, however long a list is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semper_base::DealId;
use semper_base::text::Text;
use semper_steps::Steps;
use semper_tinguin_protocol::Told;

use super::source::{Rows, Source, Wish};
use super::{
    Account, Believed, Choices, Deal, Entry, Find, PAGE, Page, StandingConsent, Total, Unread,
};

/// Pages of one list that are kept.
const KEPT: usize = 24;

/// The pages of one list.
#[derive(Clone, Debug)]
pub struct Pages<T> {
    /// How many rows there are, once that is known.
    pub all: Option<usize>,
    pages: BTreeMap<usize, Vec<T>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { all: None, pages: BTreeMap::new() }
    }
}

impl<T> Pages<T> {
    /// A row, if its page is here.
    pub fn row(&self, at: usize) -> Option<&T> {
        self.pages.get(&(at / PAGE))?.get(at % PAGE)
    }

    fn put(&mut self, from: usize, page: Page<T>) {
        if self.all.is_some_and(|all| all != page.all) {
            // The list has changed, and with it what stands on every other page.
            self.pages.clear();
        }
        self.all = Some(page.all);
        let number = from / PAGE;
        self.pages.insert(number, page.rows);
        while self.pages.len() > KEPT {
            let (first, last) = (self.pages.keys().next(), self.pages.keys().next_back());
            let (Some(&first), Some(&last)) = (first, last) else { break };
            let furthest = if number - first > last - number { first } else { last };
            self.pages.remove(&furthest);
        }
    }
}

/// What the window holds.
pub struct Shelf {
    source: Box<dyn Source>,
    wished: BTreeSet<Wish>,
    /// Deals, newest first.
    pub deals: Pages<Deal>,
    /// Entries that were looked for ([`Shelf::found`]), newest first.
    pub entries: Pages<Entry>,
    /// What has moved by them, by month.
    pub totals: Option<Vec<Total>>,
    /// What they can be narrowed down to.
    pub choices: Option<Choices>,
    found: Find,
    stories: BTreeMap<DealId, Vec<Entry>>,
    steps: BTreeMap<DealId, Option<Steps>>,
    /// Accounts.
    pub accounts: Option<Vec<Account>>,
    /// Whom this person believes.
    pub believed: Option<Vec<Believed>>,
    /// Consents given in advance.
    pub consents: Option<Vec<StandingConsent>>,
    /// What was told about the person, the last of it first.
    pub told: Option<Vec<Told>>,
    /// The file of the letter that was written last.
    pub letter: Option<Text>,
    /// Why rows are missing.
    pub unread: Option<Unread>,
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// An empty one, filled from this source.
    pub fn new(source: impl Source + 'static) -> Self {
        Self {
            source: Box::new(source),
            wished: BTreeSet::new(),
            deals: Pages::default(),
            entries: Pages::default(),
            totals: None,
            choices: None,
            found: Find::default(),
            stories: BTreeMap::new(),
            steps: BTreeMap::new(),
            accounts: None,
            believed: None,
            consents: None,
            told: None,
            letter: None,
            unread: None,
        }
    }

    fn wish(&mut self, wish: Wish) {
        // What cannot be read is not asked for sixty times a second.
        if self.unread.is_some() || self.wished.contains(&wish) {
            return;
        }
        if self.source.wish(wish.clone()) {
            self.wished.insert(wish);
        }
    }

    /// Takes in what was read since.
    pub fn hear(&mut self) {
        for (wish, rows) in self.source.got() {
            self.wished.remove(&wish);
            match (wish, rows) {
                (Wish::Deals(from), Ok(Rows::Deals(page))) => self.deals.put(from, page),
                // An answer to what was looked for before is of no use any more.
                (Wish::Entries(find, from), Ok(Rows::Entries(page))) if find == self.found => {
                    self.entries.put(from, page);
                }
                (Wish::Totals(find), Ok(Rows::Totals(totals))) if find == self.found => {
                    self.totals = Some(totals);
                }
                (_, Ok(Rows::Choices(choices))) => self.choices = Some(choices),
                (Wish::Story(deal), Ok(Rows::Story(rows))) => {
                    self.stories.insert(deal, rows);
                }
                (Wish::Steps(deal), Ok(Rows::Steps(steps))) => {
                    self.steps.insert(deal, steps);
                }
                (_, Ok(Rows::Accounts(rows))) => self.accounts = Some(rows),
                (_, Ok(Rows::Believed(rows))) => self.believed = Some(rows),
                (_, Ok(Rows::Told(rows))) => self.told = Some(rows),
                (_, Ok(Rows::Letter(file))) => self.letter = Some(file),
                (_, Ok(Rows::Consents(rows))) => self.consents = Some(rows),
                (_, Ok(_)) => {}
                (_, Err(unread)) => {
                    self.unread = Some(unread);
                    continue;
                }
            }
            self.unread = None;
        }
    }

    /// Deals have changed: all is read again when it is looked at. What is here stays until then.
    pub fn refresh(&mut self) {
        self.stories.clear();
        self.steps.clear();
        self.unread = None;
        self.wish(Wish::Deals(0));
        self.wish(Wish::Entries(self.found.clone(), 0));
        self.wish(Wish::Totals(self.found.clone()));
        self.wish(Wish::Choices);
        // An application may have been let in, or have bought.
        if self.consents.is_some() {
            self.wish(Wish::Consents);
        }
    }

    /// Something was told: the list is read again, if it is looked at.
    pub fn read_told(&mut self) {
        if self.told.is_some() {
            self.wish(Wish::Told);
        }
    }

    /// Writes a letter that asks back what somebody was told.
    pub fn write_letter(&mut self, to: &str, german: bool) {
        self.wish(Wish::Letter(to.to_owned(), german));
    }

    /// Takes back a consent given in advance.
    pub fn take_back(&mut self, who: &str) {
        self.wish(Wish::TakeBack(who.to_owned()));
    }

    /// What the entries were looked for by.
    pub const fn found(&self) -> &Find {
        &self.found
    }

    /// Looks for these entries.
    pub fn find(&mut self, find: &Find) {
        if *find != self.found {
            find.clone_into(&mut self.found);
            self.entries = Pages::default();
            self.totals = None;
            self.unread = None;
        }
        self.want_entries(0, 0);
        if self.totals.is_none() {
            self.wish(Wish::Totals(self.found.clone()));
        }
        self.want(Wish::Choices);
    }

    /// These deals are looked at.
    pub fn want_deals(&mut self, first: usize, last: usize) {
        for page in first / PAGE..=last / PAGE {
            if !self.deals.pages.contains_key(&page) && is_page(self.deals.all, page) {
                self.wish(Wish::Deals(page * PAGE));
            }
        }
    }

    /// These entries are looked at.
    pub fn want_entries(&mut self, first: usize, last: usize) {
        for page in first / PAGE..=last / PAGE {
            if !self.entries.pages.contains_key(&page) && is_page(self.entries.all, page) {
                self.wish(Wish::Entries(self.found.clone(), page * PAGE));
            }
        }
    }

    /// What was signed in a deal; read when it is first asked for.
    pub fn story(&mut self, deal: DealId) -> Option<&[Entry]> {
        if !self.stories.contains_key(&deal) {
            self.wish(Wish::Story(deal));
        }
        self.stories.get(&deal).map(Vec::as_slice)
    }

    /// How far a deal has come, once that was read; nothing inside if nobody can say.
    pub fn steps(&mut self, deal: DealId) -> Option<Option<&Steps>> {
        if !self.steps.contains_key(&deal) {
            self.wish(Wish::Steps(deal));
        }
        self.steps.get(&deal).map(Option::as_ref)
    }

    /// What does not change while the window is open is read once.
    pub fn want(&mut self, wish: Wish) {
        let here = match wish {
            Wish::Accounts => self.accounts.is_some(),
            Wish::Believed => self.believed.is_some(),
            Wish::Consents => self.consents.is_some(),
            Wish::Told => self.told.is_some(),
            Wish::Choices => self.choices.is_some(),
            _ => false,
        };
        if !here {
            self.wish(wish);
        }
    }
}

/// Whether a list of so many rows has this page; the first is there before that is known.
fn is_page(all: Option<usize>, page: usize) -> bool {
    all.map_or(page == 0, |all| page * PAGE < all)
}
