//! How the two sides' exchange messages travel: the buyer posts its own, and the merchant's come
//! back in the answer, held until there is one. Messages are signed in themselves and may come
//! twice or late; beside the deal's channel they need neither numbers nor chains.

use std::sync::Arc;
use std::time::Duration;

use semper_base::{DealId, Digest, ExchangeId, cbor, fault};
use semper_exchange::Message;
use semper_exchange::party::Event;
use semper_exchange::standard::Standard;
use semper_net::Client;
use serde::{Deserialize, Serialize};

use semper_runtime::Deal;
use semper_runtime::Stop;

use super::desk::{Desk, Letter};
use super::step::{Live, name};
use crate::errands::MANY;
use crate::host::{Host, MessageRefusal};
use crate::link::MESSAGE;

/// Where exchange messages are posted, after the deal's address.
pub const EXCHANGE: &str = "exchange";
/// Bytes of what is said at once, at most.
pub const MAX_SAID: usize = 512 * 1024;
/// Messages at once, at most: there are four in an exchange.
const MOST: usize = 8;
/// Turns of one conversation: a side that keeps repeating itself is not heard for ever.
const TURNS: usize = 8;
/// For how long an answer is waited for, in ms.
const WAIT_MS: u64 = 10_000;

/// What a side says about an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Which.
    pub exchange: ExchangeId,
    /// Its messages.
    pub messages: Vec<Message<Standard>>,
    /// The other side's last message: it need not be said again.
    pub heard: Option<Digest>,
    /// On our side it has come to nothing: whoever has promised nothing yet need not begin, and
    /// whoever has asks the third party at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

impl Host {
    /// Says what is to be said, and takes what comes back: as an errand, so that whoever answers
    /// slowly keeps nobody else waiting. Not twice at once.
    pub(super) fn converse(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) {
        if !live.speaks() || live.conversing || live.turns >= TURNS {
            return;
        }
        (live.conversing, live.turns) = (true, live.turns + 1);
        let (exchange, messages) = (live.stored.id(), live.underway.unsent().to_vec());
        let said = Said { exchange, messages, heard: live.heard, over: live.is_undone() };
        // What is not waited for is only delivered.
        let wait = live.left().filter(|_| live.listens()).unwrap_or_default();
        let (deal, address, net) =
            (Arc::clone(&live.deal), live.address.clone(), live.means.net.clone());
        let asker = Arc::clone(self);
        let ask = move || {
            let answer = asker.turn(&said, wait, &deal, (&address, &net))?;
            Ok((said, answer))
        };
        let (host, desk) = (Arc::clone(self), Arc::clone(desk));
        self.errands.run(&live.address, MANY, ask, move |answer: Result<Result<_, Stop>, _>| {
            let letter = match answer {
                Ok(Ok((said, answer))) => Letter::Said(said, answer),
                Ok(Err(error)) => {
                    tracing::debug!(exchange = %desk.id, %error, "no conversation");
                    Letter::Unsaid
                }
                Err(_panicked) => Letter::Unsaid,
            };
            host.arrives(&desk, letter);
        });
    }

    /// What was said has arrived, and the other side has answered, or had nothing to say.
    pub(super) fn heard(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        said: &Said,
        answer: Option<Said>,
    ) -> Result<(), Stop> {
        live.is_answered();
        live.underway.said(&said.messages);
        if live.stored.unsaid().is_some_and(|last| said.messages.contains(&last)) {
            self.is_said(live)?;
        }
        let Some(answer) = answer else {
            return self.goes_on_saying(desk, live, false);
        };
        if answer.over {
            self.hears_that_it_is_over(desk, live)?;
        }
        let mut new = false;
        for message in answer.messages.into_iter().take(MOST) {
            let name = name(&message);
            new |= live.heard != Some(name);
            self.happens(desk, live, Event::Message(message))?;
            live.heard = Some(name);
        }
        self.goes_on_saying(desk, live, new)
    }

    /// A side that keeps repeating itself is heard again when the exchange is looked after.
    fn goes_on_saying(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        new: bool,
    ) -> Result<(), Stop> {
        if new || !live.underway.unsent().is_empty() {
            self.converse(desk, live);
        }
        Ok(())
    }

    /// The other side says that it has come to nothing. That is no proof, and none is needed:
    /// what would be done when its time was over is done now.
    pub(super) fn hears_that_it_is_over(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
    ) -> Result<(), Stop> {
        let event = match live.stored.machine.kept().promise {
            None => Event::Cancel,
            Some(_) => Event::TimeUp,
        };
        if live.listens() { self.happens(desk, live, event) } else { Ok(()) }
    }

    /// One turn: what the other side says, if it says anything in time.
    fn turn(
        &self,
        said: &Said,
        wait: Duration,
        deal: &Deal,
        (address, net): (&str, &Client),
    ) -> Result<Option<Said>, Stop> {
        let failed = |error: &dyn std::fmt::Display| super::later(error);
        let wire = self.seal(deal, &cbor::encode(said))?;
        let wait = u64::try_from(wait.as_millis()).unwrap_or(WAIT_MS).min(WAIT_MS);
        let id = deal.id.hex();
        let url = format!("{address}/semper/v1/deals/{id}/{EXCHANGE}?wait={wait}");
        fault::point("exchange.send");
        let response = net.post(&url, MESSAGE, wire, MAX_SAID).map_err(|error| failed(&error))?;
        fault::point("exchange.sent");
        match response.status {
            204 => return Ok(None),
            200 => {}
            status => return Err(failed(&format!("status {status}"))),
        }
        let answer = self.open_wire(deal, &response.body).map_err(|error| failed(&error))?;
        let answer: Said = cbor::decode(&answer, MAX_SAID).map_err(|error| failed(&error))?;
        if answer.exchange != said.exchange {
            return Err(failed(&"it answers about another exchange"));
        }
        Ok(Some(answer))
    }

    /// Takes what the buyer says about an exchange; which one, and what it has heard of us.
    ///
    /// # Errors
    /// Why it is not accepted; the buyer says it again.
    pub fn hear(
        self: &Arc<Self>,
        id: DealId,
        wire: &[u8],
    ) -> Result<(ExchangeId, Option<Digest>), MessageRefusal> {
        let row = self.archive().deal(id).map_err(|error| refused(&error))?;
        let row = row.ok_or(MessageRefusal::UnknownDeal)?;
        let deal = self.deal(&row).map_err(|error| refused(&error))?;
        let bytes = self.open_wire(&deal, wire)?;
        let said: Said = cbor::decode(&bytes, MAX_SAID)
            .map_err(|error| MessageRefusal::Unreadable(error.to_string()))?;
        let heard = (said.exchange, said.heard);
        if said.messages.is_empty() && !said.over {
            return Ok(heard);
        }
        let Some(desk) = self.desk_of(id, said.exchange)? else {
            // Our side has not begun it yet: it is said again.
            return Err(refused(&"the exchange has not begun"));
        };
        let over = said.over.then_some(Letter::Over);
        let messages = said.messages.into_iter().take(MOST);
        let letters = messages.map(|message| Letter::Event(Event::Message(message))).chain(over);
        self.deliver(&desk, letters).map_err(|error| refused(&error))?;
        Ok(heard)
    }

    /// What our side has to say about an exchange that the buyer has not heard yet, sealed.
    ///
    /// # Errors
    /// Why it cannot be said now.
    pub fn says(
        self: &Arc<Self>,
        id: DealId,
        (exchange, heard): (ExchangeId, Option<Digest>),
    ) -> Result<Option<Vec<u8>>, MessageRefusal> {
        let Some(desk) = self.desk_of(id, exchange)? else { return Ok(None) };
        // Whoever works on it now has something to say afterwards, and rings for it.
        let said = self.with_desk(&desk, |live| {
            let (messages, over) = (self.sends(live, heard), live.is_undone());
            (over || !messages.is_empty()).then(|| (messages, over, Arc::clone(&live.deal)))
        });
        let Some((messages, over, deal)) = said.flatten() else { return Ok(None) };
        let answer = Said { exchange, messages, heard: None, over };
        let wire = self.seal(&deal, &cbor::encode(&answer));
        wire.map(Some).map_err(|error| refused(&error))
    }

    fn desk_of(&self, deal: DealId, id: ExchangeId) -> Result<Option<Arc<Desk>>, MessageRefusal> {
        match self.desk(id).map_err(|error| refused(&error))? {
            Some(desk) if desk.deal != deal => {
                Err(MessageRefusal::Unreadable("the exchange belongs to another deal".into()))
            }
            desk => Ok(desk),
        }
    }
}

fn refused(error: &dyn std::fmt::Display) -> MessageRefusal {
    MessageRefusal::Later(error.to_string())
}
