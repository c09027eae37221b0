//! Records from a home: its archive, its trust file, its configuration. Nothing is changed, but that an
//! archive of an earlier version gets its entries, once.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use semper_archive::store::FILE;
use semper_archive::{
    ApplicationRow, Archive, ArchiveError, DealRow, Filter, Home, HomeKind, entries,
};
use semper_base::text::Text;
use semper_base::{Certificate, DealId, Mend, Timestamp};
use semper_host_protocol::application::Scope;
use semper_host_protocol::{Client, Request};
use semper_steps::Steps;
use semper_tinguin_protocol::Told;
use semper_tinguin_protocol::told::{self as letters, Letter};
use semper_trust::TrustFile;
use serde::Deserialize;

use super::{
    Account, Believed, Choices, Deal, Entry, Find, Matter, PAGE, Page, Records, StandingConsent,
    Total, Unread,
};

/// A party's configuration in its home.
pub const CONFIG: &str = "semper.toml";
/// The trust file in a home.
const TRUST: &str = "trust.toml";
/// Months that are offered, the newest.
const MONTHS: usize = 240;

/// The records of a home.
pub struct OfHome {
    path: PathBuf,
    /// What its TINGUIN remembers of what was told about the person.
    remembers: Option<Remembers>,
    looked: RefCell<Option<(Seen, Archive)>>,
    starts: RefCell<Starts>,
}

/// Reads what a TINGUIN remembers of what was told.
pub type Remembers = Box<dyn Fn() -> Result<Vec<Told>, Unread> + Send>;

/// Where the pages of what was looked for last begin.
#[derive(Default)]
struct Starts {
    find: Find,
    all: usize,
    numbers: Vec<i64>,
}

/// How the archive's file stood when it was opened for a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// There was none.
    Missing,
    /// Nobody had it open, and it was changed last then: a look takes it for unchanging.
    Still(Option<SystemTime>),
    /// A host writes it; a look sees what it writes.
    Written,
}

impl fmt::Debug for OfHome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfHome({})", self.path.display())
    }
}

impl OfHome {
    /// The records of the home at this path.
    pub fn at(path: PathBuf) -> Self {
        Self { path, remembers: None, looked: RefCell::default(), starts: RefCell::default() }
    }

    /// With what its TINGUIN remembers.
    #[must_use]
    pub fn remembering(self, remembers: Remembers) -> Self {
        Self { remembers: Some(remembers), ..self }
    }

    /// The archive, opened again when a host has begun or ceased to write it.
    fn archive(&self) -> Result<Archive, Unread> {
        let file = self.path.join(FILE);
        let seen = match file.metadata() {
            Err(_) => Seen::Missing,
            Ok(_) if self.path.join(format!("{FILE}-wal")).exists() => Seen::Written,
            Ok(meta) => Seen::Still(meta.modified().ok()),
        };
        let mut looked = self.looked.borrow_mut();
        if let Some((before, archive)) = &*looked
            && *before == seen
        {
            return Ok(archive.clone());
        }
        let archive = Archive::look(&self.home()?).map_err(unread)?;
        *looked = Some((seen, archive.clone()));
        Ok(archive)
    }

    /// The archive, every piece of evidence in it with its entry.
    fn booked(&self) -> Result<Archive, Unread> {
        let archive = self.archive()?;
        if archive.has_all_entries().unwrap_or(false) {
            return Ok(archive);
        }
        tracing::info!("the archive is from an earlier version: it gets its entries");
        let whole = Archive::open(&self.home()?).map_err(unread)?;
        let mut after = 0;
        while let Some(come_to) = whole.fill_entries(after).map_err(unread)? {
            after = come_to;
        }
        drop(whole);
        *self.looked.borrow_mut() = None;
        self.archive()
    }

    fn home(&self) -> Result<Home, Unread> {
        Home::of(&self.path, HomeKind::Party).map_err(unread)
    }

    fn deal(&self, row: DealRow) -> Result<Deal, Unread> {
        let evidence = self.archive()?.evidence(Some(row.id)).map_err(unread)?;
        Ok(Deal {
            id: row.id,
            side: row.side,
            peer: row.peer.as_str().into(),
            state: row.state,
            note: row.note.as_str().into(),
            opened: row.opened,
            changed: row.changed,
            asks: !row.state.is_final() && row.waits.question.is_some(),
            until: row.waits.until,
            done: evidence.iter().map(|it| it.kind.as_str().into()).collect(),
        })
    }
}

fn unread(error: impl Mend) -> Unread {
    Unread { what: error.to_string().into(), mend: error.mend().into() }
}

fn entry(it: entries::Entry) -> Entry {
    Entry {
        number: it.number,
        stored: it.stored,
        deal: it.deal,
        kind: it.kind.into(),
        signer: it.signer.into(),
        with: it.with.into(),
        summary: it.what.into(),
        about: it.about,
        moved: it.moved.into_iter().map(|it| (it.direction, it.amount)).collect(),
        digest: None,
    }
}

fn total(it: entries::Total) -> Total {
    let entries::Total { month, system, paid_in, paid_out, .. } = it;
    Total { month, system: system.into(), paid_in, paid_out }
}

fn application(archive: &Archive, row: ApplicationRow) -> Result<StandingConsent, ArchiveError> {
    let ApplicationRow { number, name, may, origin, paired, .. } = row;
    let may = may.iter().map(|it| match it.parse::<Scope>() {
        Ok(scope) => scope.means().into(),
        Err(_) => it.as_str().into(),
    });
    let last = archive.proposals_of(number, 1)?;
    Ok(StandingConsent {
        who: name.into(),
        page: origin.map(Text::from),
        may: may.collect(),
        since: paired,
        purchases: archive.count_proposals(number)?,
        last: last.first().map(|it| it.begun),
    })
}

/// The archive's filter.
fn filter(find: &Find) -> Filter {
    let span = find.month.as_deref().and_then(month);
    Filter {
        words: find.words.clone(),
        with: find.with.iter().cloned().collect(),
        from: span.map(|it| it.0),
        until: span.map(|it| it.1),
        ..Filter::default()
    }
}

/// A month's beginning and its end.
fn month(month: &str) -> Option<(Timestamp, Timestamp)> {
    let begins = |month: &str| format!("{month}-01T00:00:00Z").parse().ok();
    let (year, number) = parts(month)?;
    let (year, number) = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    Some((begins(month)?, begins(&written(year, number))?))
}

fn parts(month: &str) -> Option<(u32, u32)> {
    let (year, number) = month.split_once('-')?;
    Some((year.parse().ok()?, number.parse().ok()?))
}

fn written(year: u32, number: u32) -> String {
    format!("{year:04}-{number:02}")
}

/// The months from the last to the first.
fn months(first: Timestamp, last: Timestamp) -> Vec<String> {
    let of = |at: Timestamp| at.date().chars().take(7).collect::<String>();
    let (first, mut all) = (of(first), vec![of(last)]);
    while let Some((year, number)) = all.last().filter(|it| **it > first).and_then(|it| parts(it)) {
        if all.len() >= MONTHS {
            break;
        }
        let before = if number == 1 { (year.saturating_sub(1), 12) } else { (year, number - 1) };
        all.push(written(before.0, before.1));
    }
    all
}

impl Records for OfHome {
    fn deals(&self, from: usize) -> Result<Page<Deal>, Unread> {
        let (rows, all) = self.archive()?.deals_page(from, PAGE).map_err(unread)?;
        let rows = rows.into_iter().map(|row| self.deal(row)).collect::<Result<_, _>>()?;
        Ok(Page { rows, all })
    }

    fn story(&self, deal: DealId) -> Result<Vec<Entry>, Unread> {
        let archive = self.booked()?;
        let evidence = archive.evidence(Some(deal)).map_err(unread)?;
        let filter = Filter { deal: Some(deal), ..Filter::default() };
        let (mut story, mut before) = (Vec::new(), None);
        loop {
            let page = archive.entries(&filter, before, entries::MOST).map_err(unread)?;
            story.extend(page.entries.into_iter().map(entry));
            before = page.before;
            if before.is_none() {
                break;
            }
        }
        for entry in &mut story {
            let found = evidence.binary_search_by_key(&entry.number, |it| it.number);
            entry.digest = found.ok().and_then(|at| evidence.get(at)).map(|it| it.digest);
        }
        story.reverse();
        Ok(story)
    }

    fn steps(&self, deal: DealId) -> Result<Option<Steps>, Unread> {
        let archive = self.archive()?;
        let Some(row) = archive.deal(deal).map_err(unread)? else { return Ok(None) };
        semper_steps::of_home(&self.home()?, &archive, &row).map_err(unread)
    }

    fn entries(&self, find: &Find, from: usize) -> Result<Page<Entry>, Unread> {
        let archive = self.booked()?;
        let filter = filter(find);
        let mut starts = self.starts.borrow_mut();
        // The first page is read anew whenever something may have changed.
        if from == 0 || starts.find != *find {
            let (all, numbers) = archive.starts(&filter, PAGE).map_err(unread)?;
            *starts = Starts { find: find.clone(), all, numbers };
        }
        let Some(first) = starts.numbers.get(from / PAGE) else {
            return Ok(Page { rows: Vec::new(), all: starts.all });
        };
        let page = archive.entries(&filter, Some(first + 1), PAGE).map_err(unread)?;
        Ok(Page { rows: page.entries.into_iter().map(entry).collect(), all: starts.all })
    }

    fn totals(&self, find: &Find) -> Result<Vec<Total>, Unread> {
        let totals = self.booked()?.totals(&filter(find)).map_err(unread)?;
        Ok(totals.into_iter().map(total).collect())
    }

    fn choices(&self) -> Result<Choices, Unread> {
        let archive = self.booked()?;
        let span = archive.span().map_err(unread)?;
        let months = span.map(|(first, last)| months(first, last)).unwrap_or_default();
        Ok(Choices { with: archive.peers().map_err(unread)?, months })
    }

    fn accounts(&self) -> Result<Vec<Account>, Unread> {
        let text = self.home()?.read(CONFIG).map_err(unread)?;
        let config: Config = toml::from_str(&text).map_err(|error| Unread {
            what: format!("{CONFIG} is not valid: {error}").into(),
            mend: "compare with the README".into(),
        })?;
        Ok(config.payment.purse.into_iter().map(Purse::account).collect())
    }

    fn believed(&self) -> Result<Vec<Believed>, Unread> {
        let home = self.home()?;
        let text = home.read(TRUST).map_err(unread)?;
        let read = |name: &str| home.read(name).map_err(|error| error.to_string());
        Ok(believed(&TrustFile::parse(&text, read).map_err(unread)?))
    }

    fn consents(&self) -> Result<Vec<StandingConsent>, Unread> {
        // A window asks its person everything. Rules are those of a TINGUIN without one; what is left is
        // who may shop for her.
        let archive = self.archive()?;
        let all = archive.applications().map_err(unread)?;
        all.into_iter().map(|row| application(&archive, row).map_err(unread)).collect()
    }

    fn told(&self) -> Result<Vec<Told>, Unread> {
        self.remembers.as_ref().map_or(Ok(Vec::new()), |it| it())
    }

    fn letter(&self, to: &str, german: bool) -> Result<Text, Unread> {
        let mut told = self.told()?;
        told.retain(|it| &*it.to == to);
        told.reverse();
        let own = told.iter().find(|it| &*it.what == "name").map(|it| it.value.to_string());
        let on = Timestamp::now();
        let letter = Letter {
            from: &own.unwrap_or_default(),
            about: to,
            told: &told,
            on,
            wish: &letters::Wish::Back,
        };
        let language = match german {
            true => letters::Language::German,
            false => letters::Language::English,
        };
        let plain =
            |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' };
        let name: String = to.chars().take(40).map(plain).collect();
        let file = format!("letter-{}-{}.txt", on.date(), name.trim_matches('-'));
        let home = self.home()?;
        home.write(&file, letter.text(language).as_bytes()).map_err(unread)?;
        Ok(home.path().join(file).display().to_string().into())
    }

    fn take_back(&self, who: &str) -> Result<(), Unread> {
        // What the command does: the home's host forgets the application, and asks the person what it
        // was to answer.
        let request = Request::Unpair { name: who.to_owned() };
        let asked = Client::connect(&self.path).and_then(|it| it.ask(&request, &mut |_| {}));
        match asked {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => {
                Err(Unread { what: refusal.what.into(), mend: refusal.mend.into() })
            }
            Err(error) => {
                let home = self.path.display();
                let by_hand = format!("semper applications remove --home {home} --name \"{who}\"");
                Err(Unread { what: error.to_string().into(), mend: by_hand.into() })
            }
        }
    }
}

/// The part of a configuration that names accounts.
#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    payment: Payment,
}

#[derive(Default, Deserialize)]
struct Payment {
    purse: Option<Purse>,
}

#[derive(Deserialize)]
struct Purse {
    bank: String,
    name: String,
    account: String,
    #[serde(default)]
    modes: Vec<String>,
}

impl Purse {
    fn account(self) -> Account {
        Account {
            bank: self.name.into(),
            address: self.bank.into(),
            number: self.account.into(),
            modes: self.modes.into_iter().map(Text::from).collect(),
        }
    }
}

fn believed(trust: &TrustFile) -> Vec<Believed> {
    let mut all = Vec::new();
    for (name, it) in &trust.evaluators {
        let root = it.roots.certificates().first();
        all.push(Believed {
            matter: Matter::Examines,
            name: name.as_str().into(),
            about: it.criteria.iter().map(|it| it.as_str().into()).collect(),
            until: root.map(|it| it.validity().1),
            key: root.map(of_certificate).unwrap_or_default(),
        });
    }
    for root in trust.authorities.certificates() {
        all.push(Believed {
            matter: Matter::Authority,
            name: root.subject().into(),
            about: Vec::new(),
            until: Some(root.validity().1),
            key: of_certificate(root),
        });
    }
    for it in &trust.third_parties {
        all.push(Believed {
            matter: Matter::ThirdParty,
            name: it.named.origin.to_string().into(),
            about: vec![it.address.as_str().into()],
            until: None,
            key: it.named.sign.id().to_string().into(),
        });
    }
    for (name, it) in &trust.logs {
        all.push(Believed {
            matter: Matter::Log,
            name: name.as_str().into(),
            about: it.url.iter().map(|it| it.as_str().into()).collect(),
            until: None,
            key: it.key.to_string().into(),
        });
    }
    all
}

fn of_certificate(it: &Certificate) -> Text {
    it.digest().to_string().into()
}
