//! How rows get to the window: at once, or from a thread that reads while the window is drawn.

use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use semper_base::DealId;
use semper_base::text::Text;
use semper_keeper::Keeper;
use semper_steps::Steps;
use semper_tinguin_protocol::Told;

use super::{
    Account, Believed, Choices, Deal, Entry, Find, Page, Records, StandingConsent, Total, Unread,
};

/// Rows that are wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Deals from this one on.
    Deals(usize),
    /// What was signed in a deal.
    Story(DealId),
    /// How far a deal has come.
    Steps(DealId),
    /// Entries that are looked for, from this one on.
    Entries(Find, usize),
    /// What has moved by them.
    Totals(Find),
    /// What they can be narrowed down to.
    Choices,
    /// Accounts.
    Accounts,
    /// Whom this person believes.
    Believed,
    /// Consents given in advance.
    Consents,
    /// What was told about the person.
    Told,
    /// A letter that asks back what somebody was told; whether it is in German.
    Letter(String, bool),
    /// To take back the one that somebody of this name has; what is left then.
    TakeBack(String),
}

/// Rows that were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// To [`Wish::Deals`].
    Deals(Page<Deal>),
    /// To [`Wish::Story`].
    Story(Vec<Entry>),
    /// To [`Wish::Steps`].
    Steps(Option<Steps>),
    /// To [`Wish::Entries`].
    Entries(Page<Entry>),
    /// To [`Wish::Totals`].
    Totals(Vec<Total>),
    /// To [`Wish::Choices`].
    Choices(Choices),
    /// To [`Wish::Accounts`].
    Accounts(Vec<Account>),
    /// To [`Wish::Believed`].
    Believed(Vec<Believed>),
    /// To [`Wish::Consents`] and [`Wish::TakeBack`].
    Consents(Vec<StandingConsent>),
    /// To [`Wish::Told`].
    Told(Vec<Told>),
    /// To [`Wish::Letter`]: its file.
    Letter(Text),
}

/// A wish, and what came of it.
pub type Got = (Wish, Result<Rows, Unread>);

fn read(records: &dyn Records, wish: &Wish) -> Result<Rows, Unread> {
    Ok(match wish {
        Wish::Deals(from) => Rows::Deals(records.deals(*from)?),
        Wish::Story(deal) => Rows::Story(records.story(*deal)?),
        Wish::Steps(deal) => Rows::Steps(records.steps(*deal)?),
        Wish::Entries(find, from) => Rows::Entries(records.entries(find, *from)?),
        Wish::Totals(find) => Rows::Totals(records.totals(find)?),
        Wish::Choices => Rows::Choices(records.choices()?),
        Wish::Accounts => Rows::Accounts(records.accounts()?),
        Wish::Believed => Rows::Believed(records.believed()?),
        Wish::Consents => Rows::Consents(records.consents()?),
        Wish::Told => Rows::Told(records.told()?),
        Wish::Letter(to, german) => Rows::Letter(records.letter(to, *german)?),
        Wish::TakeBack(who) => {
            records.take_back(who)?;
            Rows::Consents(records.consents()?)
        }
    })
}

/// What reads rows.
pub trait Source {
    /// Wants these rows; whether the wish was taken. One that was not is made again later.
    fn wish(&mut self, wish: Wish) -> bool;
    /// What has been read since.
    fn got(&mut self) -> Vec<Got>;
}

/// Reads at once: for tests.
pub struct AtOnce {
    records: Box<dyn Records>,
    got: Vec<Got>,
}

impl AtOnce {
    /// Reads from these records.
    pub fn new(records: impl Records + 'static) -> Self {
        Self { records: Box::new(records), got: Vec::new() }
    }
}

impl fmt::Debug for AtOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtOnce")
    }
}

impl Source for AtOnce {
    fn wish(&mut self, wish: Wish) -> bool {
        let rows = read(&*self.records, &wish);
        self.got.push((wish, rows));
        true
    }

    fn got(&mut self) -> Vec<Got> {
        std::mem::take(&mut self.got)
    }
}

/// Wishes that may wait for the thread.
const LINE: usize = 16;

/// Reads by a thread of its own, which wakes the window when rows have come.
#[derive(Debug)]
pub struct Behind {
    wishes: SyncSender<Wish>,
    got: Receiver<Got>,
}

impl Behind {
    /// Reads from these records, as long as the keeper does not end.
    pub fn new(
        records: impl Records + 'static,
        keeper: &Keeper,
        wake: impl Fn() + Send + 'static,
    ) -> Self {
        let (wishes, wanted) = sync_channel::<Wish>(LINE);
        let (give, got) = sync_channel(LINE * 2);
        // It ends when the window has dropped its end.
        drop(keeper.job("records", move |_| {
            while let Ok(wish) = wanted.recv() {
                let rows = read(&records, &wish);
                if give.send((wish, rows)).is_err() {
                    break;
                }
                wake();
            }
        }));
        Self { wishes, got }
    }
}

impl Source for Behind {
    fn wish(&mut self, wish: Wish) -> bool {
        self.wishes.try_send(wish).is_ok()
    }

    fn got(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        loop {
            match self.got.try_recv() {
                Ok(got) => all.push(got),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return all,
            }
        }
    }
}
