//! The buyer's connection to a merchant: it sends what is not acknowledged and polls for what
//! is new, until the deal has ended and nothing is owed. The merchant never connects to the
//! buyer, who may sit behind a NAT.

use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::DealRow;
use semper_base::{DealId, fault};
use semper_items::Side;
use semper_items::message::MAX_MESSAGE;
use semper_keeper::Keeper;
use semper_net::{Client, NetError, Response};
use semper_transfer::channel::Refusal;

use semper_runtime::Stop;

use crate::host::{Accepted, Ended, Host, MessageRefusal};

/// Media type of sealed messages.
pub const MESSAGE: &str = "application/vnd.semper.message.v1";
/// Milliseconds that a merchant may hold a poll.
pub const HOLD_MS: u64 = 20_000;
/// Longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(10);
/// For how long an ended deal's last messages are offered to a merchant who is away, before that is
/// left to the next time.
const FAREWELL: Duration = Duration::from_secs(20);
/// Largest answer to a posted message.
const MAX_ANSWER: usize = 64 * 1024;

/// How far a link has come.
#[derive(Debug)]
pub enum Linked {
    /// The deal has ended.
    Over(DealRow),
    /// It sleeps, and nothing is to be delivered in it.
    Quiet(DealRow),
    /// Its merchant cannot be reached.
    Away(DealRow),
}

/// How long a deal is linked.
enum Until<'a> {
    /// Until it has ended, or that time has come.
    End(Option<Instant>),
    /// Until nothing goes on in it, or the keeper ends.
    Quiet(&'a Keeper),
}

/// Why a link does not get on.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The way.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Our own side.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The merchant does not accept our message.
    #[error("the merchant refuses: {0}")]
    Refused(MessageRefusal),
    /// The merchant answers something else.
    #[error("the merchant answers with status {0}")]
    Status(u16),
    /// We do not accept the merchant's message.
    #[error("the merchant's message: {0}")]
    Message(MessageRefusal),
    /// The merchant says that its side of the deal is over, and has not signed why.
    #[error(
        "{0} says without a signature that its side of the deal is {1}; the deal here is not ended \
         by that, and semper cancel leaves it"
    )]
    Over(String, String),
    /// There is no such deal here.
    #[error("there is no {0} here")]
    NoDeal(DealId),
}

impl Until<'_> {
    /// Whether the keeper of the link has ended.
    fn is_over(&self) -> bool {
        matches!(self, Self::Quiet(keeper) if keeper.ending().is_over())
    }

    const fn may_be_quiet(&self) -> bool {
        matches!(self, Self::Quiet(_))
    }

    /// When what is left over is delivered.
    const fn later(&self) -> &'static str {
        match self {
            Self::End(_) => "semper deals --resume",
            Self::Quiet(_) => "this is tried again later",
        }
    }

    /// Done when the keeper ends.
    async fn over(&self) {
        match self {
            Self::Quiet(keeper) => keeper.ending().over().await,
            Self::End(_) => std::future::pending().await,
        }
    }
}

impl LinkError {
    /// Whether nobody answers there.
    const fn is_away(&self) -> bool {
        matches!(self, Self::Net(_))
    }

    /// Whether the other side has broken the deal, so that trying again is no use.
    fn is_final(&self) -> bool {
        match self {
            Self::Refused(MessageRefusal::UnknownDeal) => true,
            Self::Refused(MessageRefusal::Channel(refusal)) => {
                !matches!(refusal, Refusal::Gap { .. })
            }
            Self::Message(refusal) => !matches!(refusal, MessageRefusal::Later(_)),
            _ => false,
        }
    }
}

impl Host {
    /// Keeps a deal linked in this thread until it has ended and everything is acknowledged,
    /// or `until` has passed; the deal as it then is. A merchant who stays away from an ended deal
    /// is waited for only a while: [`Host::owes`] says what is still to be delivered then.
    pub fn link(
        self: &Arc<Self>,
        id: DealId,
        until: Option<Instant>,
    ) -> Result<DealRow, LinkError> {
        match self.link_until(id, &Until::End(until))? {
            Linked::Over(row) | Linked::Quiet(row) | Linked::Away(row) => Ok(row),
        }
    }

    /// Keeps a deal linked in this thread as long as something goes on in it, or until the keeper
    /// ends.
    pub(crate) fn link_while(
        self: &Arc<Self>,
        id: DealId,
        keeper: &Keeper,
    ) -> Result<Linked, LinkError> {
        self.link_until(id, &Until::Quiet(keeper))
    }

    fn link_until(self: &Arc<Self>, id: DealId, until: &Until<'_>) -> Result<Linked, LinkError> {
        let mut pause = Duration::from_millis(50);
        let (mut told, mut over) = (false, false);
        let mut ended: Option<Instant> = None;
        loop {
            let looked = self
                .archive()
                .deal(id)
                .map_err(Stop::from)
                .and_then(|row| Ok((row, self.has_open_exchanges(id)?)));
            let (row, exchanges) = match looked {
                Ok((row, exchanges)) => (row.ok_or(LinkError::NoDeal(id))?, exchanges),
                // Our own store does not answer now.
                Err(Stop::Doubt(doubt)) if doubt.pauses().is_some() => {
                    self.notice(id, &format!("{doubt}; trying again"));
                    self.rests(until, pause);
                    pause = (pause * 2).min(LONGEST);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if until.is_over() {
                return Ok(Linked::Quiet(row));
            }
            let step = self.end_said(&row).and_then(|()| self.flush(id)).and_then(|()| {
                if row.state.is_final() { Ok(false) } else { self.poll(&row, until) }
            });
            match step {
                // Exchanges go on to their end, whatever the deal has come to.
                Ok(_) if row.state.is_final() && exchanges => {
                    let since = *ended.get_or_insert_with(|| self.instant());
                    if self.instant().saturating_duration_since(since) > FAREWELL
                        && self.only_says(id)?
                    {
                        let what = "what was said last in an exchange is still to be taken";
                        self.notice(id, &format!("{what}: {}", until.later()));
                        return Ok(Linked::Over(row));
                    }
                    if !std::mem::replace(&mut told, true) {
                        self.notice(id, &self.awaited(id)?);
                    }
                    self.rests(until, Duration::from_millis(250));
                }
                Ok(_) if row.state.is_final() => return Ok(Linked::Over(row)),
                // Nobody has said anything for as long as a merchant holds a poll.
                Ok(false) if until.may_be_quiet() && self.is_quiet_now(id)? => {
                    return Ok(Linked::Quiet(row));
                }
                Ok(_) => pause = Duration::from_millis(50),
                Err(error) if error.is_final() => {
                    self.notice(id, &error.to_string());
                    return if row.state.is_final() { Ok(Linked::Over(row)) } else { Err(error) };
                }
                // What was said last is still to be delivered.
                Err(error) if row.state.is_final() => {
                    let since = ended.get_or_insert_with(|| self.instant());
                    if self.instant().saturating_duration_since(*since) > FAREWELL {
                        let what = "the last message of this deal is still to be delivered";
                        self.notice(id, &format!("{error}; {what}: {}", until.later()));
                        return Ok(Linked::Over(row));
                    }
                    self.rests(until, pause);
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                Err(error) => {
                    let is_over = matches!(error, LinkError::Over(..));
                    if !is_over {
                        self.notice(id, &format!("{error}; trying again"));
                    } else if !std::mem::replace(&mut over, true) {
                        self.notice(id, &error.to_string());
                    }
                    if until.may_be_quiet() && error.is_away() && pause >= LONGEST {
                        return Ok(Linked::Away(row));
                    }
                    self.rests(until, pause);
                    pause = (pause * 2).min(LONGEST);
                }
            }
            if matches!(until, Until::End(Some(end)) if self.instant() > *end) {
                return Ok(Linked::Quiet(row));
            }
        }
    }

    /// A pause of a link; one that a keeper has ends with the keeper.
    fn rests(&self, until: &Until<'_>, pause: Duration) {
        match until {
            Until::Quiet(keeper) => drop(keeper.ending().pause(pause)),
            Until::End(_) => self.clock().sleep(pause),
        }
    }

    /// Whether nothing goes on in a deal: it sleeps, no exchange is open, and nothing is to be
    /// delivered.
    pub(crate) fn is_quiet(&self, row: &DealRow) -> Result<bool, Stop> {
        Ok(row.waits.asleep
            && !row.state.is_final()
            && row.waits.cancel.is_none()
            && !self.has_open_exchanges(row.id)?
            && self.owes(row.id)? == 0)
    }

    fn is_quiet_now(&self, id: DealId) -> Result<bool, Stop> {
        match self.archive().deal(id)? {
            Some(row) => self.is_quiet(&row),
            None => Ok(false),
        }
    }

    /// Deals of ours as the buyer that are to be linked: those that run, and those that have ended
    /// but have an exchange that goes on, or a message that is still to be delivered.
    pub fn to_link(&self) -> Result<Vec<DealRow>, Stop> {
        let mut rows = Vec::new();
        for row in self.archive().deals()? {
            let unfinished =
                !row.state.is_final() || self.has_open_exchanges(row.id)? || self.owes(row.id)? > 0;
            if row.side == Side::Buyer && unfinished {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// How many messages of a deal the other side has not acknowledged; an end that is still to
    /// be signed is one of them.
    pub fn owes(&self, id: DealId) -> Result<u64, Stop> {
        let channel = self.channel(id)?;
        let unsaid = match self.archive().deal(id)? {
            Some(row) => u64::from(self.unsaid_end(&row)?.is_some()),
            None => 0,
        };
        Ok(channel.sent.last.saturating_sub(channel.acknowledged) + unsaid)
    }

    /// Signs the end of a deal that has failed while that was not possible.
    fn end_said(&self, row: &DealRow) -> Result<(), LinkError> {
        match self.say_end(row) {
            Err(stop @ Stop::Pause(_)) => Err(stop.into()),
            Err(stop) => {
                tracing::warn!(deal = row.id.short(), %stop, "the end cannot be signed");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    /// Sends every message that the merchant has not acknowledged, in order.
    pub fn flush(&self, id: DealId) -> Result<(), LinkError> {
        let row = self.archive().deal(id).map_err(Stop::from)?.ok_or(LinkError::NoDeal(id))?;
        let acknowledged = self.channel(id)?.acknowledged;
        for message in self.archive().messages(id, true, acknowledged).map_err(Stop::from)? {
            let url = format!("{}/semper/v1/deals/{}/messages", row.address, id.hex());
            fault::point("link.send");
            let response = self.way(&row)?.post(&url, MESSAGE, message.wire, MAX_ANSWER)?;
            let accepted = accepted(&response)?;
            fault::point("link.sent");
            self.acknowledged(id, accepted.acknowledged)?;
        }
        Ok(())
    }

    /// The way to a deal's merchant: by the authorities that the deal began with.
    pub(crate) fn way(&self, row: &DealRow) -> Result<Client, Stop> {
        Ok(self.own(row)?.means.net.clone())
    }

    /// Done when our own side of the deal has ended: nothing more is waited for then.
    async fn ended(&self, id: DealId) {
        let mut changes = self.signal(id).subscribe();
        loop {
            let row = self.archive().deal(id);
            if !matches!(row, Ok(Some(row)) if !row.state.is_final()) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The merchant says, unsigned, that its side is over. Nothing follows from that for ours; it
    /// has something to do with us only if we wait for what it will not say.
    fn peer_ended(&self, row: &DealRow, last: u64, response: &Response) -> Result<bool, LinkError> {
        // Our component may still be busy with what was said last; it waits when it sleeps.
        self.clock().sleep(Duration::from_millis(100));
        let now = self.archive().deal(row.id).map_err(Stop::from)?;
        let waits = |it: &DealRow| it.waits.asleep && it.waits.message == Some(last + 1);
        if now.is_some_and(|it| waits(&it) && !it.state.is_final()) {
            return Err(LinkError::Over(row.peer.clone(), after_end(response)));
        }
        Ok(false)
    }

    /// Asks once for the merchant's next message; whether there was one.
    fn poll(&self, row: &DealRow, until: &Until<'_>) -> Result<bool, LinkError> {
        let after = self.channel(row.id)?.received.last;
        let url = format!(
            "{}/semper/v1/deals/{}/messages?after={after}&wait={HOLD_MS}",
            row.address,
            row.id.hex()
        );
        let stop = async {
            tokio::select! {
                () = self.ended(row.id) => {}
                () = until.over() => {}
            }
        };
        let way = self.way(row)?;
        let Some(response) = way.get_until(&url, MAX_MESSAGE + 1024, stop)? else {
            return Ok(false);
        };
        match response.status {
            204 => Ok(false),
            // The merchant's side is over. What it said last may still be under way here.
            410 => self.peer_ended(row, after, &response),
            200 => {
                self.receive(row.id, &response.body).map_err(LinkError::Message)?;
                Ok(true)
            }
            _ => Err(refused(&response)),
        }
    }
}

fn after_end(response: &Response) -> String {
    let ended: Option<Ended> = serde_json::from_slice(&response.body).ok();
    ended.map_or_else(|| "ended".into(), |it| it.ended)
}

fn accepted(response: &Response) -> Result<Accepted, LinkError> {
    if response.status != 200 {
        return Err(refused(response));
    }
    serde_json::from_slice(&response.body).map_err(|_| LinkError::Status(response.status))
}

fn refused(response: &Response) -> LinkError {
    match serde_json::from_slice(&response.body) {
        Ok(refusal) => LinkError::Refused(refusal),
        Err(_) => LinkError::Status(response.status),
    }
}
