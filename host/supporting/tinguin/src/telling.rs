//! What of the person is told to whom is shown as it happens. The TINGUIN signs every message and
//! statement, and sees it before it is encrypted; it knows what she has filled in. So it finds her
//! details in what goes out by itself, whatever the host says.

use semper_base::{DealId, Timestamp};
use semper_items::{Agreement, Item, Message, Side, Statement};
use semper_tinguin_protocol::protocol::Reply;
use semper_tinguin_protocol::screen::{Answer, Question};
use semper_tinguin_protocol::told::{self, Told, of_statement, stands_in};
use semper_tinguin_protocol::{Cause, Failure};

use crate::failure::broken;
use crate::memory::KnownDeal;
use crate::service::Service;

/// Characters of a detail, at most.
const LONGEST: usize = 2_000;

impl Service {
    /// Remembers what was filled into a form.
    pub(crate) fn remember(
        &self,
        known: &KnownDeal,
        question: &Question,
        answer: &Answer,
    ) -> Result<(), Failure> {
        let (Question::Form { fields, .. }, Answer::Fields(texts)) = (question, answer) else {
            return Ok(());
        };
        for ((name, _), text) in fields.iter().zip(texts).filter(|it| !it.1.is_empty()) {
            let kept = self.memory.keep_detail(&known.nonce, name, text);
            kept.map_err(|error| broken(&error))?;
        }
        Ok(())
    }

    /// A service was given a detail by the host.
    pub(crate) fn given(&self, deal: DealId, what: &str, value: &str) -> Result<Reply, Failure> {
        let known = self.known(&deal)?;
        if what.chars().count() > LONGEST || value.chars().count() > LONGEST {
            let what = "a detail is longer than one can be";
            return Err(Failure::new(Cause::Malformed, what, "the host is at fault"));
        }
        let kept = self.memory.keep_detail(&known.nonce, what, value);
        kept.map_err(|error| broken(&error))?;
        Ok(Reply::Done)
    }

    /// An agreement that is signed tells the other side one's name.
    pub(crate) fn told_by_agreement(
        &self,
        agreement: &Agreement,
        side: Side,
        known: &KnownDeal,
    ) -> Result<(), Failure> {
        let deal = agreement.id();
        if agreement.hello.attributes.confidential {
            self.memory.keep_sealed(&deal).map_err(|error| broken(&error))?;
        }
        let told = Told {
            to: known.peer.as_str().into(),
            what: "name".into(),
            value: agreement.name(side).into(),
            at: Timestamp::now(),
            deal,
            by: "agreement".into(),
            sealed: false,
        };
        self.keep(known, vec![told]).map(drop)
    }

    /// What a statement tells that is signed.
    pub(crate) fn told_by_statement(
        &self,
        statement: &Statement,
        known: &KnownDeal,
    ) -> Result<(), Failure> {
        let sealed = self.memory.is_sealed(&statement.deal).map_err(|error| broken(&error))?;
        let by = statement.content.kind().name();
        let one = |it: told::Detail| Told {
            sealed: sealed && it.bank.is_none(),
            to: it.bank.as_deref().unwrap_or(&known.peer).into(),
            what: it.what.into(),
            value: it.value.as_str().into(),
            at: Timestamp::now(),
            deal: statement.deal,
            by: by.into(),
        };
        self.keep(known, of_statement(statement).into_iter().map(one).collect()).map(drop)
    }

    /// What a message tells that is signed: the person's details that stand in it. Whether she was
    /// shown something new of that.
    pub(crate) fn told_by_message(
        &self,
        message: &Message,
        known: &KnownDeal,
    ) -> Result<bool, Failure> {
        let details = self.memory.details(&known.nonce).map_err(|error| broken(&error))?;
        let Some(item) = message.container.item().filter(|_| !details.is_empty()) else {
            return Ok(false);
        };
        let (body, by) = match &item {
            Item::Information { body, kind } => (body, kind.as_str()),
            Item::Statement(bytes) => (bytes, "statement"),
            Item::Money(bytes) => (bytes, "payment"),
            Item::Exchange(bytes) => (bytes, "exchange"),
        };
        let deal = message.header.deal;
        let sealed = self.memory.is_sealed(&deal).map_err(|error| broken(&error))?;
        let found = details.into_iter().filter(|(_, value)| stands_in(body, value));
        let one = |(what, value): (String, String)| Told {
            to: known.peer.as_str().into(),
            what: what.as_str().into(),
            value: value.as_str().into(),
            at: Timestamp::now(),
            deal,
            by: by.into(),
            sealed,
        };
        self.keep(known, found.map(one).collect())
    }

    /// Keeps what was told, and shows what of it is new; whether there was any.
    fn keep(&self, known: &KnownDeal, told: Vec<Told>) -> Result<bool, Failure> {
        let mut new = Vec::new();
        for it in told {
            if self.memory.keep_told(&it).map_err(|error| broken(&error))? {
                new.push(it);
            }
        }
        let Some(sentence) = told::sentence(&new) else { return Ok(false) };
        self.tell(new);
        self.shows(Some(known), sentence);
        Ok(true)
    }
}
