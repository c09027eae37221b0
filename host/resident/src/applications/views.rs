//! A purchase as an application sees it.

use semper_archive::{DealRow, DealState, ProposalRow};
use semper_base::{Digest, Report, text};
use semper_commerce::opening;
use semper_host_protocol::application::{Asked, Field, PurchaseInWords, Standing, State};
use semper_tinguin_protocol::screen::Question;

use super::Open;
use crate::resident::Resident;

impl Resident {
    /// How a purchase stands.
    pub(super) fn standing(
        &self,
        row: &ProposalRow,
    ) -> Result<(Standing, Option<DealRow>), Report> {
        let archive = self.host().archive();
        let deal = match archive.opening(row.nonce)?.and_then(|it| it.deal) {
            Some(id) => archive.deal(id)?,
            None => None,
        };
        let (state, stands) = match &deal {
            Some(deal) => (state(deal.state), text::readable(&deal.note)),
            None if !row.outcome.is_empty() => (State::Withdrawn, text::readable(&row.outcome)),
            None => {
                let mut pending = opening::pending(archive)?.into_iter();
                let waits = pending.find(|it| it.nonce == row.nonce).map(|it| it.waits_for());
                match waits {
                    Some(waits) => (State::Opening, waits.to_owned()),
                    None if self.openings().knows(row.nonce) => {
                        (State::Opening, "is being opened".to_owned())
                    }
                    // A host that was restarted has gone on with it, or has not begun.
                    None => (State::Withdrawn, "it came to nothing".to_owned()),
                }
            }
        };
        let standing = Standing {
            purchase: row.nonce.hex(),
            merchant: row.address.clone(),
            begun: row.begun.to_string(),
            state,
            stands,
        };
        Ok((standing, deal))
    }

    /// A purchase as it is now.
    pub(super) fn in_words(&self, row: &ProposalRow) -> Result<PurchaseInWords, Report> {
        let (standing, deal) = self.standing(row)?;
        let open = matches!(standing.state, State::Open);
        let question = self.applications().question(&row.nonce).filter(|_| open).map(asked);
        let mut view = PurchaseInWords {
            standing,
            deal: deal.map(|it| it.id.to_string()),
            question,
            happened: self.applications().happened(&row.nonce),
            version: String::new(),
        };
        let bytes = serde_json::to_vec(&view).map_err(|error| unwritable(&error))?;
        view.version = Digest::of(&bytes).hex().chars().take(16).collect();
        Ok(view)
    }
}

pub(super) fn unwritable(error: &serde_json::Error) -> Report {
    Report::refusal(format!("it cannot be written as JSON: {error}"), "report this to the project")
}

const fn state(state: DealState) -> State {
    match state {
        DealState::Running => State::Open,
        DealState::Completed => State::Completed,
        DealState::Withdrawn => State::Withdrawn,
        DealState::Failed | DealState::Disputed => State::Failed,
    }
}

fn asked(open: Open) -> Asked {
    let readable = |it: String| text::readable(&it);
    let (mut options, mut fields) = (Vec::new(), Vec::new());
    let (topic, says) = match open.question {
        Question::Inform { topic, says } => (topic, says),
        Question::Choose { topic, says, options: of } => {
            options = of.into_iter().map(readable).collect();
            (topic, says)
        }
        // A field is answered by its name: that stays as it came.
        Question::Form { topic, says, fields: of } => {
            let shown = |(name, stands)| Field { name, text: readable(stands) };
            fields = of.into_iter().map(shown).collect();
            (topic, says)
        }
    };
    Asked {
        id: open.key.hex(),
        topic: readable(topic),
        merchant_says: readable(says),
        merchant_options: options,
        merchant_fields: fields,
    }
}
