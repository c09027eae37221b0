//! A person at her window, for stories: what is asked of her, and what she sees.

#![allow(clippy::unwrap_used, dead_code, reason = "each story uses a part of it")]

use std::cell::Cell;
use std::fmt::Write as _;

use egui::accesskit::{Role, Toggled};
use egui_kittest::kittest::NodeT as _;
use egui_kittest::{Harness, HarnessBuilder};
use semper_archive::{DealState, Direction, Sum};
use semper_base::text::Text;
use semper_base::{Amount, DealId, Digest, Timestamp, cbor};
use semper_face_window::model::Who;
use semper_face_window::picture::Picture;
use semper_face_window::records::shelf::Shelf;
use semper_face_window::records::source::AtOnce;
use semper_face_window::records::{
    Account, Believed, Choices, Deal, Entry, Find, Matter, PAGE, Page, Records, StandingConsent,
    Total, Unread,
};
use semper_face_window::settings::Settings;
use semper_face_window::{Model, draw};
use semper_items::statement::{Address, Content, Line, Offer, Order};
use semper_items::{Side, Statement};
use semper_steps::{Step, Steps};
use semper_tinguin_protocol::pairing::{Pairing, Scope};
use semper_tinguin_protocol::screen::{self, Consent, Question, Screen};
use semper_tinguin_protocol::{Frame, Told};

/// 2026-09-21.
pub fn at(days: u64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + days * 86_400_000).unwrap()
}

pub fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

/// Records of a life with so many entries.
pub struct Life {
    pub entries: usize,
    pub taken_back: Cell<bool>,
}

impl Life {
    fn entry(number: usize) -> Entry {
        let kinds = ["agreement", "offer", "order", "receipt", "shipping-note"];
        let kind = kinds[number % kinds.len()];
        let names = ["Otto Versand", "Anna Berg", "Bücher Müller", "Ada Author"];
        let paid = kind == "receipt";
        let priced = matches!(kind, "offer" | "order" | "receipt");
        let cents = i64::try_from(number).unwrap() * 37 % 400_000 + 100;
        Entry {
            number: i64::try_from(number).unwrap() + 1,
            stored: at(u64::try_from(number).unwrap() / 40),
            deal: Some(deal_id(number / kinds.len())),
            kind: kind.into(),
            signer: names[number % names.len()].into(),
            with: "Otto Versand".into(),
            summary: format!("{kind} number {number}: a woollen scarf and {number} more").into(),
            about: priced.then(|| Amount::new(cents, amount("1.00 EUR").currency())),
            moved: if paid { vec![moved(number, cents)] } else { Vec::new() },
            digest: None,
        }
    }

    fn deal(at_: usize) -> Deal {
        let states =
            [DealState::Running, DealState::Completed, DealState::Withdrawn, DealState::Failed];
        Deal {
            id: deal_id(at_),
            side: Side::Buyer,
            peer: if at_ == 1 { "Bücher Müller".into() } else { "Otto Versand".into() },
            state: states[at_ % states.len()],
            note: match at_ % states.len() {
                0 => "waits for your decision about an order".into(),
                1 => "completed".into(),
                2 => "too dear".into(),
                _ => "the merchant's message did not fit the flow".into(),
            },
            opened: at(u64::try_from(at_).unwrap()),
            changed: at(u64::try_from(at_).unwrap() + 1),
            asks: at_ == 0,
            until: (at_ == 0).then(|| at(9)),
            done: vec!["agreement".into(), "offer".into()],
        }
    }
}

/// Every other payment comes in.
fn moved(number: usize, cents: i64) -> (Direction, Amount) {
    let way = if number.is_multiple_of(2) { Direction::In } else { Direction::Out };
    (way, Amount::new(cents, amount("1.00 EUR").currency()))
}

pub fn deal_id(number: usize) -> DealId {
    DealId::new(Digest::of(&number.to_le_bytes()))
}

fn page<T>(all: usize, from: usize, row: impl Fn(usize) -> T) -> Page<T> {
    Page { rows: (from..all.min(from + PAGE)).map(row).collect(), all }
}

impl Records for Life {
    fn deals(&self, from: usize) -> Result<Page<Deal>, Unread> {
        Ok(page(self.entries.min(4), from, Self::deal))
    }

    fn story(&self, deal: DealId) -> Result<Vec<Entry>, Unread> {
        let all = (0..self.entries.min(20)).map(Self::entry);
        Ok(all.filter(|it| it.deal == Some(deal)).collect())
    }

    fn steps(&self, deal: DealId) -> Result<Option<Steps>, Unread> {
        let step = |by, what: &str, needed| Step { by, what: what.into(), needed };
        let done = vec![step(Side::Buyer, "search", true), step(Side::Seller, "offer", true)];
        let left = vec![
            step(Side::Buyer, "order", true),
            step(Side::Buyer, "exchange of payment for receipt", true),
            step(Side::Seller, "shipping-note", false),
        ];
        // Of the second deal nobody knows.
        Ok((deal != deal_id(1)).then_some(Steps { done, left }))
    }

    fn entries(&self, find: &Find, from: usize) -> Result<Page<Entry>, Unread> {
        if find.is_all() {
            let newest = |at| Self::entry(self.entries - 1 - at);
            return Ok(page(self.entries, from, newest));
        }
        let fits = |it: &Entry| {
            it.summary.contains(&find.words)
                && find.with.as_deref().is_none_or(|with| &*it.with == with)
                && find.month.as_deref().is_none_or(|month| it.stored.date().starts_with(month))
        };
        let all: Vec<Entry> = (0..self.entries).map(Self::entry).filter(fits).collect();
        Ok(page(all.len(), from, |at| all[at].clone()))
    }

    fn totals(&self, _: &Find) -> Result<Vec<Total>, Unread> {
        let sum = |minor| Sum { minor, currency: amount("1.00 EUR").currency() };
        let one = |month: &str, paid_in, paid_out| Total {
            month: month.into(),
            system: "Test Bank".into(),
            paid_in: sum(paid_in),
            paid_out: sum(paid_out),
        };
        let all = vec![one("2026-10", 123_456, 0), one("2026-09", 500, 211)];
        Ok(if self.entries == 0 { Vec::new() } else { all })
    }

    fn choices(&self) -> Result<Choices, Unread> {
        let with = vec!["Bücher Müller".into(), "Otto Versand".into()];
        Ok(Choices { with, months: vec!["2026-10".into(), "2026-09".into()] })
    }

    fn accounts(&self) -> Result<Vec<Account>, Unread> {
        let account = Account {
            bank: "Test Bank".into(),
            address: "https://localhost:8441".into(),
            number: "acct:0123456789abcdef".into(),
            modes: vec!["hold".into()],
        };
        Ok(if self.entries == 0 { Vec::new() } else { vec![account] })
    }

    fn believed(&self) -> Result<Vec<Believed>, Unread> {
        let one = |matter, name: &str, about: &str| Believed {
            matter,
            name: name.into(),
            about: if about.is_empty() { Vec::new() } else { vec![about.into()] },
            until: (matter != Matter::ThirdParty).then(|| at(400)),
            key: Digest::of(name.as_bytes()).to_string().into(),
        };
        Ok(vec![
            one(Matter::Examines, "verbraucherbund", "mail-order/1"),
            one(Matter::Authority, "Market CA", ""),
            one(Matter::ThirdParty, "third.example", "https://localhost:8446"),
        ])
    }

    fn consents(&self) -> Result<Vec<StandingConsent>, Unread> {
        let one = StandingConsent {
            who: "Shopping list".into(),
            page: Some("https://list.example".into()),
            may: [Scope::Look, Scope::Shop].map(|it| it.means().into()).to_vec(),
            since: at(3),
            purchases: 2,
            last: Some(at(5)),
        };
        let none = self.entries == 0 || self.taken_back.get();
        Ok(if none { Vec::new() } else { vec![one] })
    }

    fn told(&self) -> Result<Vec<Told>, Unread> {
        if self.entries == 0 {
            return Ok(Vec::new());
        }
        let told = |to: &str, what: &str, value: &str, sealed| Told {
            to: to.into(),
            what: what.into(),
            value: value.into(),
            at: at(2),
            deal: DealId::new(Digest::of(b"deal")),
            by: "order".into(),
            sealed,
        };
        Ok(vec![
            told("Otto Versand", "deliver to", "Anna Berg, Lindenweg 4, 22765 Hamburg", true),
            told("Otto Versand", "name", "Anna Berg", false),
            told("Test Bank", "from account", "acct:0123456789abcdef", false),
        ])
    }

    fn letter(&self, to: &str, german: bool) -> Result<Text, Unread> {
        let language = if german { "de" } else { "en" };
        Ok(format!("/home/anna/letter-{to}-{language}.txt").into())
    }

    fn take_back(&self, who: &str) -> Result<(), Unread> {
        assert_eq!(who, "Shopping list");
        self.taken_back.set(true);
        Ok(())
    }
}

/// Anna's window, with so many entries in her archive.
pub fn model(entries: usize, settings: Settings) -> Model {
    let (name, phrase) = ("Anna Berg", "two owls in a pear tree");
    let who = Who { name: name.into(), phrase: phrase.into(), picture: Picture::of(name, phrase) };
    Model::new(
        who,
        settings,
        Shelf::new(AtOnce::new(Life { entries, taken_back: Cell::default() })),
    )
}

/// A window of the usual size, in which time goes on by a twentieth of a second a frame. Every letter of
/// its own words can be drawn.
pub fn window(model: Model) -> Harness<'static, Model> {
    begun(Harness::builder().with_size(egui::vec2(960.0, 700.0)), model)
}

/// A window of this size, for texts whose letters no font has.
pub fn sized(model: Model, width: f32, height: f32) -> Harness<'static, Model> {
    let builder = Harness::builder().with_size(egui::vec2(width, height));
    begun(builder.allow_missing_glyphs(), model)
}

fn begun(builder: HarnessBuilder<Model>, model: Model) -> Harness<'static, Model> {
    let builder = builder.with_step_dt(0.05).with_max_steps(64);
    let mut harness = builder.build_ui_state(|ui, model: &mut Model| draw(ui, model), model);
    harness.run_steps(3);
    harness
}

/// So many milliseconds go by.
pub fn wait(harness: &mut Harness<'_, Model>, millis: usize) {
    harness.run_steps(millis / 50 + 1);
}

pub fn frame(screen: Screen) -> Frame {
    Frame {
        user: "Anna Berg".into(),
        phrase: "two owls in a pear tree".into(),
        peer: "Otto Versand".into(),
        service: "mail-order 1.0.0 — certified by Verbraucherbund".into(),
        status: "deciding whether to sign".into(),
        screen,
        told: Vec::new(),
    }
}

/// An order over an offer, as the TINGUIN shows it.
pub fn order() -> Consent {
    let deal = DealId::new(Digest::of(b"deal"));
    let line = Line {
        article: "A0000001".into(),
        title: "woollen scarf".into(),
        variant: "(L, red)".into(),
        quantity: 2,
        unit: amount("19.99 EUR"),
    };
    let offer = Offer {
        number: "A-1".into(),
        lines: vec![line],
        delivery: amount("4.90 EUR"),
        total: amount("44.88 EUR"),
        delivery_days: 3,
        valid_until: at(100),
        account: "acct:0123456789abcdef".into(),
    };
    let offer = Statement { deal, made: at(0), content: Content::Offer(offer) };
    let digest = Digest::of(&cbor::encode(&offer));
    let ship_to = Address {
        name: "Anna Berg".into(),
        street: "Lindenweg 4".into(),
        postcode: "22765".into(),
        city: "Hamburg".into(),
        country: "DE".into(),
    };
    let order = Order { offer: digest, total: amount("44.88 EUR"), ship_to };
    let order = Statement { deal, made: at(0), content: Content::Order(order) };
    let own = Digest::of(&cbor::encode(&order));
    screen::statement(&order, own, "Otto Versand", &[(digest, offer)])
}

/// A fair exchange, in the TINGUIN's words.
pub fn exchange() -> Consent {
    let row = |name: &str, says: &str| (Text::from(name), Text::from(says));
    Consent {
        topic: "exchange".into(),
        title: "Fair exchange with Otto Versand: 44.88 EUR for a receipt over 44.88 EUR".into(),
        rows: vec![
            row("you pay", "44.88 EUR"),
            row("from account", "acct:0123456789abcdef at Test Bank"),
            row("to account", "acct:fedcba9876543210"),
            row("you get", "receipt of 2026-09-21, signed by Otto Versand"),
            row(
                "fairness",
                "strong: you get what is promised here, or the other side gets nothing from you",
            ),
            row("how", "both promise, then both deliver; on a fault the third party completes it"),
            row("third party", "third.example (key:0011223344556677)"),
            row("to be accepted by", &at(1).to_string()),
            row("decided by", &at(2).to_string()),
            row("locked until at most", &at(3).to_string()),
        ],
        means: "You give 44.88 EUR and get a receipt over 44.88 EUR, or neither happens. Your money \
                is locked at your bank at once; it comes back to you if the exchange comes to nothing."
            .into(),
        amount: Some(amount("44.88 EUR")),
        also: None,
        digest: Digest::of(b"exchange"),
    }
}

/// The opening of a deal with somebody new whom nobody has certified.
pub fn agreement() -> Consent {
    let row = |name: &str, says: &str| (Text::from(name), Text::from(says));
    Consent {
        topic: "agreement".into(),
        title: "Open a deal with Otto Versand".into(),
        rows: vec![
            row("with", "Otto Versand (new to you)"),
            row("service", "mail-order 1.0.0 — not certified by anyone you trust"),
            row("terms", &Digest::of(b"terms").to_string()),
            row("payment by", "the purse"),
            row("messages", "encrypted"),
            row("ends by", &at(30).to_string()),
            row("begun by", "“Shopping list”"),
            row("CAUTION", "the name looks like “Otto Versand GmbH”, with whom you have dealt before"),
        ],
        means: "You and the other side are bound to these terms of business; you order and pay \
                nothing yet. NOBODY WHOM YOU TRUST HAS EXAMINED THIS SERVICE: it can only show you \
                things and ask for information. It cannot pay, sign, or learn who you are unless you \
                tell it."
            .into(),
        amount: None,
        also: None,
        digest: Digest::of(b"agreement"),
    }
}

/// The decision about an application, as the TINGUIN draws it.
pub fn pairing() -> Consent {
    let asks = Pairing {
        name: "Shopping list".into(),
        may: Scope::ALL.to_vec(),
        code: "329611".into(),
        origin: Some("https://list.example".into()),
        cautions: Vec::new(),
    };
    screen::pairing(&asks, Digest::of(b"pairing"))
}

/// The decision about a link, as the TINGUIN draws it.
pub fn link() -> Consent {
    let fills = [("search, words".to_owned(), "woollen scarf".to_owned())];
    screen::link("https://shop.example", &fills, Digest::of(b"link"))
}

pub fn choose() -> Question<Text> {
    Question::Choose {
        topic: "search".into(),
        says: "Which scarf?".into(),
        options: vec!["woollen scarf, 19.99 EUR".into(), "silk scarf, 89.00 EUR".into()],
    }
}

pub fn form() -> Question<Text> {
    Question::Form {
        topic: "address".into(),
        says: "Where shall it go?".into(),
        fields: vec![("name".into(), "Anna Berg".into()), ("street".into(), "".into())],
    }
}

pub fn inform() -> Question<Text> {
    Question::Inform { topic: "terms".into(), says: "We deliver on working days.".into() }
}

/// What somebody hears who reads the window by ear: roles, names, values and states, in order.
pub fn heard(harness: &Harness<'_, Model>) -> String {
    let mut out = String::new();
    hear(&mut out, harness.root().accesskit_node(), 0);
    out
}

fn hear(out: &mut String, node: egui_kittest::kittest::AccessKitNode<'_>, depth: usize) {
    let silent = matches!(
        node.role(),
        Role::GenericContainer
            | Role::Unknown
            | Role::Pane
            | Role::Window
            | Role::TextRun
            | Role::ScrollBar
            | Role::ScrollView
    );
    let mut next = depth;
    if !silent {
        let name = node.label().or_else(|| node.value()).unwrap_or_default();
        let _ = write!(out, "{}{:?} {name:?}", "  ".repeat(depth), node.role());
        if node.label().is_some()
            && let Some(value) = node.value().filter(|value| *value != name)
        {
            let _ = write!(out, " = {value:?}");
        }
        let chosen = node.toggled() == Some(Toggled::True) || node.is_selected() == Some(true);
        for (state, word) in
            [(chosen, "chosen"), (node.is_disabled(), "off"), (node.is_focused(), "keyboard")]
        {
            if state {
                let _ = write!(out, " [{word}]");
            }
        }
        out.push('\n');
        next += 1;
    }
    for child in node.children() {
        hear(out, child, next);
    }
}
