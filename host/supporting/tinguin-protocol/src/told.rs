//! What of the person is told to whom, as it happens; and letters that ask it back.

use memchr::memmem;
use semper_base::text::{self, Text};
use semper_base::{DealId, Timestamp};
use semper_items::Statement;
use semper_items::statement::Value;
use serde::{Deserialize, Serialize};

/// Shortest text that counts as found in a message: shorter ones stand in messages by chance.
pub const SHORTEST: usize = 3;
/// So much of a text is looked for.
const LOOKED_AT: usize = 500;
/// Details that one sentence names.
const NAMED: usize = 8;
/// Characters of a detail's name in it, and of what a letter says.
const NAME: usize = 40;
const LINE: usize = 300;

/// Something about the person that has been told to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// To whom: the other side, or a bank.
    pub to: Text,
    /// What it is called: `name`, `deliver to`, or as a form calls it.
    pub what: Text,
    /// What was told.
    pub value: Text,
    /// When.
    pub at: Timestamp,
    /// In which deal.
    pub deal: DealId,
    /// In what: a statement's kind, `agreement`, or `message`.
    pub by: Text,
    /// Whether it was encrypted to the other side's key of the deal. If not, it is encrypted on the
    /// way alone, by TLS.
    pub sealed: bool,
}

/// A detail of the person's in a statement of hers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The bank that the statement goes to; none: the other side.
    pub bank: Option<String>,
    /// What it is called.
    pub what: &'static str,
    /// What stands there.
    pub value: String,
}

/// What of the person stands in a statement of hers: where goods go, and accounts. A statement about
/// an account goes to the bank that keeps it, any other to the other side.
pub fn of_statement(statement: &Statement) -> Vec<Detail> {
    let details = statement.content.rows().into_iter().filter_map(|row| {
        let bank = match row.value {
            Value::Address(_) => None,
            Value::Account { bank, .. } => Some(bank.to_owned()),
            _ => return None,
        };
        let (_, value) = row.drawn(&[]).into_iter().next()?;
        Some(Detail { bank, what: row.label, value })
    });
    let mut all: Vec<Detail> = details.collect();
    if let Some(account) = statement.content.payee() {
        all.push(Detail { bank: None, what: "account", value: account.to_owned() });
    }
    all
}

/// Whether a text stands in these bytes, as it was given; of a long one its beginning.
pub fn stands_in(bytes: &[u8], value: &str) -> bool {
    let value: String = value.trim().chars().take(LOOKED_AT).collect();
    value.chars().count() >= SHORTEST && memmem::find(bytes, value.as_bytes()).is_some()
}

/// What has just been told to one receiver, in one sentence.
pub fn sentence(told: &[Told]) -> Option<String> {
    let first = told.first()?;
    let mut what: Vec<String> = told.iter().take(NAMED).map(|it| plain(&it.what, NAME)).collect();
    if let Some(more) = told.len().checked_sub(NAMED).filter(|it| *it > 0) {
        what.push(format!("and {more} more"));
    }
    let how = if first.sealed { "encrypted to its key of the deal" } else { "over TLS" };
    Some(format!("told {}: {} ({how})", first.to, what.join(", ")))
}

/// A text of somebody else's in one line, cut where it is long: it must not look like ours.
fn plain(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text::shown(&words, most)
}

/// In which language a letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
}

/// What a letter wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To know what is kept, and that it is deleted; to the one who was told.
    Back,
    /// That an organisation looks into it, which has certified the one who was told; with the reason
    /// in the person's own words.
    Complaint {
        /// The organisation.
        organisation: String,
        /// What the person complains of.
        because: String,
    },
}

/// A letter about what somebody was told. It is text: the person reads it, changes it, and sends it
/// however she likes.
#[derive(Clone, Debug)]
pub struct Letter<'a> {
    /// Who writes.
    pub from: &'a str,
    /// Who was told.
    pub about: &'a str,
    /// What, in order.
    pub told: &'a [Told],
    /// The day on which it is written.
    pub on: Timestamp,
    /// What it wants.
    pub wish: &'a Wish,
}

impl Letter<'_> {
    /// The letter's text.
    pub fn text(&self, language: Language) -> String {
        let to = match self.wish {
            Wish::Back => self.about,
            Wish::Complaint { organisation, .. } => organisation,
        };
        let (head, before, after) = match (language, self.wish) {
            (Language::English, Wish::Back) => (
                format!("To: {to}\nFrom: {}\n{}", self.from, self.on.date()),
                "Please tell me what you know about me, and delete it\n\nIn the deals below I have told \
                 you this:"
                    .to_owned(),
                ENGLISH_BACK.to_owned(),
            ),
            (Language::German, Wish::Back) => (
                format!("An: {to}\nVon: {}\n{}", self.from, self.on.date()),
                "Auskunft und Löschung meiner Daten\n\nIn den folgenden Geschäften habe ich Ihnen \
                 mitgeteilt:"
                    .to_owned(),
                GERMAN_BACK.to_owned(),
            ),
            (Language::English, Wish::Complaint { because, .. }) => (
                format!("To: {to}\nFrom: {}\n{}", self.from, self.on.date()),
                format!(
                    "Complaint about {}\n\nYou have certified the service of {}. I complain of this:\n\n\
                     {because}\n\nIn the deals below I have told {} this:",
                    self.about, self.about, self.about
                ),
                ENGLISH_COMPLAINT.to_owned(),
            ),
            (Language::German, Wish::Complaint { because, .. }) => (
                format!("An: {to}\nVon: {}\n{}", self.from, self.on.date()),
                format!(
                    "Beschwerde über {}\n\nSie haben den Dienst von {} zertifiziert. Ich beschwere mich \
                     über Folgendes:\n\n{because}\n\nIn den folgenden Geschäften habe ich {} mitgeteilt:",
                    self.about, self.about, self.about
                ),
                GERMAN_COMPLAINT.to_owned(),
            ),
        };
        let deal = match language {
            Language::English => "deal",
            Language::German => "Geschäft",
        };
        let lines: String = self
            .told
            .iter()
            .map(|it| {
                let (what, value) = (plain(&it.what, NAME), plain(&it.value, LINE));
                format!("  {}  {deal} {}  {what}: “{value}”\n", it.at.date(), it.deal.short())
            })
            .collect();
        format!("{head}\n\n{before}\n\n{lines}\n{after}\n\n{}\n", self.from)
    }
}

const ENGLISH_BACK: &str = "\
By Articles 15, 17 and 21 of the General Data Protection Regulation, or the law that holds where you are, I ask you
1. to tell me what you keep about me, for what, for how long, and whom you have told;
2. to delete what you no longer need for these deals or by law, and to tell me when the rest is deleted;
3. to use nothing of it for advertising: I have not agreed to that.
Please answer within a month.";

const GERMAN_BACK: &str = "\
Nach den Artikeln 15, 17 und 21 der Datenschutz-Grundverordnung bitte ich Sie,
1. mir mitzuteilen, was Sie über mich gespeichert haben, wozu, wie lange, und wem Sie es mitgeteilt haben;
2. zu löschen, was Sie für diese Geschäfte oder von Gesetzes wegen nicht mehr brauchen, und mir mitzuteilen, wann der Rest gelöscht wird;
3. nichts davon für Werbung zu verwenden: Dem habe ich nicht zugestimmt.
Bitte antworten Sie innerhalb eines Monats.";

const ENGLISH_COMPLAINT: &str = "\
The evidence of these deals is signed by both sides; I send it to you when you ask for it (semper archive export).
Please look into it, and tell me what you find.";

const GERMAN_COMPLAINT: &str = "\
Die Belege dieser Geschäfte sind von beiden Seiten unterschrieben; ich schicke sie Ihnen auf Anfrage (semper archive export).
Bitte prüfen Sie das und teilen Sie mir mit, was Sie gefunden haben.";

#[cfg(test)]
mod tests {
    use super::*;

    fn told(what: &str, sealed: bool) -> Told {
        let (at, deal) = (Timestamp::from_millis(1_790_000_000_000).unwrap(), "deal");
        Told {
            to: "Otto Versand".into(),
            what: what.into(),
            value: "Lindenweg 4".into(),
            at,
            deal: DealId::new(semper_base::Digest::of(deal.as_bytes())),
            by: "message".into(),
            sealed,
        }
    }

    #[test]
    fn what_was_told_is_one_sentence_that_says_how_it_travelled() {
        let both = [told("street", true), told("city", true)];

        let words = sentence(&both).unwrap();
        assert_eq!(words, "told Otto Versand: street, city (encrypted to its key of the deal)");
        assert_eq!(sentence(&both[..0]), None);
        assert!(stands_in(b"to Lindenweg 4.", " Lindenweg 4\n") && !stands_in(b"DE", "DE"));
        // A name that a service has chosen is neither long nor looks like a line of ours.
        let many: Vec<Told> =
            (0..20).map(|_| told(&format!("a\n{}", "b".repeat(900)), true)).collect();
        let words = sentence(&many).unwrap();
        assert!(
            words.len() < 600 && !words.contains('\n') && words.contains("and 12 more"),
            "{words}"
        );
    }

    #[test]
    fn a_letter_names_what_was_told_in_either_language() {
        let all = [told("street", true)];
        let complaint = Wish::Complaint {
            organisation: "Verbraucherbund".into(),
            because: "They ring.".into(),
        };
        for (wish, language, says) in [
            (&Wish::Back, Language::English, "To: Otto Versand"),
            (&Wish::Back, Language::German, "Datenschutz-Grundverordnung"),
            (&complaint, Language::English, "They ring."),
            (&complaint, Language::German, "An: Verbraucherbund"),
        ] {
            let letter = Letter {
                from: "Anna Berg",
                about: "Otto Versand",
                told: &all,
                on: all[0].at,
                wish,
            };
            let text = letter.text(language);
            for words in [says, "Anna Berg", "street: “Lindenweg 4”", "2026-09-21"] {
                assert!(text.contains(words), "{words} in {text}");
            }
        }
    }
}
