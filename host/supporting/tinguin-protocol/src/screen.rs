//! The typed model of everything that the TINGUIN shows. Faces draw it and add nothing.

pub mod exchange;

use semper_base::text::Text;
use semper_base::{Amount, Certificate, Digest, Timestamp};
use semper_items::agreement::Way;
use semper_items::{Agreement, Side, Statement};
use serde::{Deserialize, Serialize};

use crate::pairing::Pairing;
use crate::protocol::DealContext;
use crate::told::Told;

/// Most options of a choice, fields of a form.
pub const MAX_OPTIONS: usize = 50;
/// Most characters of what a service says in one question.
pub const MAX_SAYS: usize = 2_000;
/// What rules call the decision about a business application. No rule for every topic covers it.
pub const PAIRING: &str = "pairing";
/// The topic of decisions about certificates and keys of one's own. No rule for every topic covers it.
pub const CERTIFICATE: &str = "certificate";
/// What rules call the decision about a link. No rule for every topic covers it.
pub const LINK: &str = "link";

/// A service's question to the person. All of its words are the service's: as they came (`String`), or
/// as a face may draw them (`Text`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question<T = String> {
    /// Show a text; nothing is decided.
    Inform {
        /// What rules call it.
        topic: T,
        /// The text.
        says: T,
    },
    /// One of several.
    Choose {
        /// What rules call it.
        topic: T,
        /// The question.
        says: T,
        /// The options.
        options: Vec<T>,
    },
    /// Texts to fill in.
    Form {
        /// What rules call it.
        topic: T,
        /// The question.
        says: T,
        /// Field names and what stands in them to begin with.
        fields: Vec<(T, T)>,
    },
}

impl<T: AsRef<str>> Question<T> {
    /// What rules call it.
    pub fn topic(&self) -> &str {
        match self {
            Self::Inform { topic, .. } | Self::Choose { topic, .. } | Self::Form { topic, .. } => {
                topic.as_ref()
            }
        }
    }

    /// The service's words.
    pub fn says(&self) -> &str {
        match self {
            Self::Inform { says, .. } | Self::Choose { says, .. } | Self::Form { says, .. } => {
                says.as_ref()
            }
        }
    }

    /// Whether an answer is one to this question.
    pub fn takes(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (Self::Inform { .. }, Answer::Seen) => true,
            (Self::Choose { options, .. }, Answer::Choice(number)) => {
                (*number as usize) < options.len()
            }
            (Self::Form { fields, .. }, Answer::Fields(texts)) => fields.len() == texts.len(),
            _ => false,
        }
    }

    /// An answer in words: the option that is chosen, the texts that are filled in.
    pub fn answered(&self, answer: &Answer) -> String {
        match (self, answer) {
            (Self::Choose { options, .. }, Answer::Choice(number)) => {
                options.get(*number as usize).map_or("", AsRef::as_ref).to_owned()
            }
            (Self::Form { fields, .. }, Answer::Fields(texts)) => {
                let filled = fields.iter().zip(texts).filter(|(_, text)| !text.is_empty());
                let words = filled.map(|((name, _), text)| format!("{}: {text}", name.as_ref()));
                words.collect::<Vec<_>>().join("; ")
            }
            _ => "seen".to_owned(),
        }
    }

    /// Whether it keeps to the bounds, and if not why.
    pub fn fault(&self) -> Option<String> {
        let entries = match self {
            Self::Inform { .. } => 1,
            Self::Choose { options, .. } => options.len(),
            Self::Form { fields, .. } => fields.len(),
        };
        if entries == 0 || entries > MAX_OPTIONS {
            return Some(format!("a question has 1 to {MAX_OPTIONS} entries, not {entries}"));
        }
        let long = self.says().chars().count() > MAX_SAYS;
        long.then(|| format!("a question has at most {MAX_SAYS} characters"))
    }
}

impl Question {
    /// As it may stand on a person's screen: nothing in it moves, hides or turns round what stands
    /// beside it.
    #[must_use]
    pub fn readable(self) -> Question<Text> {
        match self {
            Self::Inform { topic, says } => {
                Question::Inform { topic: topic.into(), says: says.into() }
            }
            Self::Choose { topic, says, options } => {
                let options = options.into_iter().map(Text::from).collect();
                Question::Choose { topic: topic.into(), says: says.into(), options }
            }
            Self::Form { topic, says, fields } => {
                let fields = fields.into_iter().map(|(name, value)| (name.into(), value.into()));
                let fields = fields.collect();
                Question::Form { topic: topic.into(), says: says.into(), fields }
            }
        }
    }
}

/// What the person, or a rule of hers, answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// Yes: to a consent.
    Yes,
    /// No, and why.
    No(String),
    /// The number of the option chosen, from 0.
    Choice(u32),
    /// The fields of a form, in its order.
    Fields(Vec<String>),
    /// Seen: to an information.
    Seen,
    /// The person leaves the deal.
    Leave,
}

/// A decision with consequences: everything here is the TINGUIN's own, from parsed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// What rules call it: `agreement`, `order`, `payment-order` …
    pub topic: String,
    /// What is to be signed, as a headline.
    pub title: Text,
    /// The content, row by row.
    pub rows: Vec<(Text, Text)>,
    /// What a yes means, in one sentence.
    pub means: Text,
    /// The money at stake.
    pub amount: Option<Amount>,
    /// More money at stake, in another currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Amount>,
    /// The digest of the very bytes: for experts.
    pub digest: Digest,
}

impl Consent {
    /// Whether a yes is a signature. Letting a program in, or opening a link, signs nothing.
    pub fn signs(&self) -> bool {
        self.topic != PAIRING && self.topic != LINK && self.topic != CERTIFICATE
    }
}

/// What is in the middle of the screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Screen {
    /// Nothing is asked.
    Idle,
    /// A decision.
    Consent(Consent),
    /// A service's question.
    Question(Question<Text>),
    /// The TINGUIN is locked: nothing is shown but how it is unlocked.
    Locked(Locked),
}

/// What stands on a locked screen. Whoever passes by sees it. So its frame has the user's name and
/// no personal phrase: a stranger who reads the phrase there could draw a screen with it, and be
/// told the pass-phrase. The phrase comes back with the keys, and she who does not see it then
/// knows that she has told a stranger. Nor does it name deals or other sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    /// The token whose PIN unlocks it; empty where a pass-phrase does.
    #[serde(default)]
    pub token: Text,
    /// Wrong pass-phrases since the last right one.
    pub wrong: u32,
    /// When the first of those was typed.
    pub since: Option<Timestamp>,
    /// Seconds until the next one can be typed.
    pub wait: u64,
    /// Questions that wait in line.
    pub waiting: usize,
    /// What became of the last try; empty before any.
    pub said: Text,
}

/// The whole window: what is always there, and the screen in the middle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The user's name.
    pub user: Text,
    /// The personal phrase by which the user recognises this TINGUIN.
    pub phrase: Text,
    /// The merchant's or buyer's name, if a deal is on.
    pub peer: Text,
    /// The service and who certified it.
    pub service: Text,
    /// Where things stand, in one sentence.
    pub status: Text,
    /// The middle.
    pub screen: Screen,
    /// What was told about the person lately, the last one first; on the screen that asks nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
}

/// The fixed line about a service.
pub fn service_line(context: &DealContext) -> String {
    if context.service.is_empty() {
        return String::new();
    }
    let by = if context.certified_by.is_empty() {
        "not certified by anyone you trust".to_owned()
    } else {
        format!("certified by {}", context.certified_by.join(", "))
    };
    format!("{} — {by}", context.service)
}

/// A way to pay in words; what names none is shown as it stands.
fn way(way: &str) -> String {
    way.parse().map_or_else(|_| way.to_owned(), |it: Way| it.words())
}

/// The decision about opening a deal.
pub fn agreement(agreement: &Agreement, side: Side, context: &DealContext) -> Consent {
    let peer = agreement.name(side.other());
    let known = if context.known { "dealt with before" } else { "new to you" };
    let hello = &agreement.hello;
    let mut rows: Vec<(Text, Text)> = vec![
        ("with".into(), format!("{peer} ({known})").into()),
        ("service".into(), service_line(context).into()),
        ("terms".into(), hello.terms.to_string().into()),
        ("payment by".into(), way(&agreement.payment).into()),
        (
            "messages".into(),
            if hello.attributes.confidential { "encrypted" } else { "in clear" }.into(),
        ),
        ("ends by".into(), agreement.expires.to_string().into()),
    ];
    rows.extend(context.begun_by.iter().map(|it| ("begun by".into(), format!("“{it}”").into())));
    rows.extend(context.warnings.iter().map(|it| ("CAUTION".into(), it.as_str().into())));
    let mut means = "You and the other side are bound to these terms of business; you order and \
                     pay nothing yet."
        .to_owned();
    if side == Side::Buyer && context.certified_by.is_empty() && !context.service.is_empty() {
        means += " NOBODY WHOM YOU TRUST HAS EXAMINED THIS SERVICE: it can only show you things \
                  and ask for information. It cannot pay, sign, or learn who you are unless you \
                  tell it.";
    }
    Consent {
        topic: "agreement".into(),
        title: format!("Open a deal with {peer}").into(),
        rows,
        means: means.into(),
        amount: None,
        also: None,
        digest: *agreement.id().digest(),
    }
}

/// The decision about signing a statement. `refers` are the statements that it may refer to;
/// a digest that is none of theirs is shown as unknown.
pub fn statement(
    statement: &Statement,
    digest: Digest,
    peer: &str,
    refers: &[(Digest, Statement)],
) -> Consent {
    let content = &statement.content;
    Consent {
        topic: content.kind().name().to_owned(),
        title: content.title(peer).into(),
        rows: drawn(content.drawn(refers)),
        means: content.means().into(),
        amount: content.amount(),
        also: None,
        digest,
    }
}

/// The decision whether a business application may use this host. All that it says about itself is
/// its name.
pub fn pairing(pairing: &Pairing, digest: Digest) -> Consent {
    let mut rows: Vec<(Text, Text)> = vec![
        ("it calls itself".into(), format!("“{}”", pairing.name).into()),
        (
            "its code".into(),
            format!("{} — the same must stand at the application", pairing.code).into(),
        ),
    ];
    rows.extend(pairing.origin.iter().map(|it| ("its web page".into(), it.as_str().into())));
    rows.extend(pairing.may.iter().map(|it| ("it may".into(), it.means().into())));
    rows.extend(pairing.cautions.iter().map(|it| ("CAUTION".into(), it.as_str().into())));
    let never = "decide, sign or pay; see your keys, or what others have begun";
    rows.push(("it may never".into(), never.into()));
    Consent {
        topic: PAIRING.into(),
        title: format!("Let the application “{}” shop for you", pairing.name).into(),
        rows,
        means:
            "The application may do this from now on, until you take it back. It orders and pays \
                nothing: every decision stays yours."
                .into(),
        amount: None,
        also: None,
        digest,
    }
}

/// The decision whether to open a link. Nothing has been fetched yet.
pub fn link(merchant: &str, fills: &[(String, String)], digest: Digest) -> Consent {
    let mut rows: Vec<(Text, Text)> = vec![("a shop at".into(), merchant.into())];
    rows.extend(
        fills.iter().map(|(topic, text)| ("it fills in".into(), format!("{topic}: {text}").into())),
    );
    rows.push(("who made it".into(), "unknown: nobody has checked it".into()));
    Consent {
        topic: LINK.into(),
        title: "Open a link".into(),
        rows,
        means: "The shop's terms are fetched and checked. Nothing is ordered, and you can change \
                what the link fills in."
            .into(),
        amount: None,
        also: None,
        digest,
    }
}

/// The decision whether a certificate is kept that gives the person another name, comes from another
/// authority than the one before, or comes from a host on another machine.
pub fn certificate(old: Option<&Certificate>, new: &Certificate, digest: Digest) -> Consent {
    let mut rows: Vec<(Text, Text)> = Vec::new();
    if let Some(old) = old {
        rows.push(("you sign as".into(), old.subject().as_str().into()));
        rows.push(("certified by".into(), old.issuer().as_str().into()));
    }
    rows.push(("from now on as".into(), new.subject().as_str().into()));
    rows.push(("then certified by".into(), new.issuer().as_str().into()));
    let roles: Vec<String> = new.roles().iter().map(ToString::to_string).collect();
    rows.push(("role".into(), roles.join(", ").as_str().into()));
    rows.push(("valid until".into(), new.validity().1.date().as_str().into()));
    Consent {
        topic: CERTIFICATE.into(),
        title: "Take a certificate".into(),
        rows,
        means: "You sign by it in every new deal. If it is not from the authority that you \
                registered with, others will not believe you."
            .into(),
        amount: None,
        also: None,
        digest,
    }
}

/// The decision whether a key that was lost to others is replaced.
pub fn replacement(name: &str, digest: Digest) -> Consent {
    Consent {
        topic: CERTIFICATE.into(),
        title: "Replace your key".into(),
        rows: vec![("certified as".into(), name.into())],
        means: "Once the next key is certified, nothing is signed by an older one. Deals that run \
                by an older one cannot go on."
            .into(),
        amount: None,
        also: None,
        digest,
    }
}

/// Rows that say what others have filled in, in front of a decision.
pub fn filled(rows: &[(String, String)]) -> impl Iterator<Item = (Text, Text)> {
    rows.iter().map(|(by, said)| (format!("NOT CHECKED, by “{by}”").into(), said.as_str().into()))
}

/// Rows as faces take them.
fn drawn(rows: Vec<(String, String)>) -> Vec<(Text, Text)> {
    rows.into_iter().map(|(label, value)| (label.into(), value.into())).collect()
}

/// One line about a statement, for referring to it later.
pub fn summary(statement: &Statement) -> String {
    statement.summary()
}
