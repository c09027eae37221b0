//! News of many deals at once. A buyer's deals that sleep share one long poll for each merchant:
//! it is answered as soon as there is something new in one of them, which is then asked for by the
//! deal's own link.

use std::sync::Arc;

use semper_base::{DealId, cbor};
use semper_items::Side;
use semper_net::{Client, NetError, Response};
use serde::{Deserialize, Serialize};

use crate::host::{Group, Host, MessageRefusal, Signal};

/// Where news are asked for, after the merchant's address.
pub const NEWS: &str = "/semper/v1/news";
/// Media type of questions for news, and of their answers.
pub const MEDIA: &str = "application/vnd.semper.news.v1+cbor";
/// Deals that are asked about at once, at most.
pub const MOST: usize = 4_096;
/// Bytes of a question or an answer, at most.
pub const MAX_NEWS: usize = 64 * MOST;
/// Deals that nobody here knows, in one question: whoever names more of them is guessing.
const UNKNOWN: usize = 16;

/// A question for news.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Deals, and the number of the last message that has arrived in each.
    pub deals: Vec<(DealId, u64)>,
}

/// The answer: deals that have another message, that have ended, or that are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Which.
    pub deals: Vec<DealId>,
}

/// What came of a question for news.
#[derive(Debug)]
pub(crate) enum News {
    /// There is something new in these.
    Of(Vec<DealId>),
    /// The question is put anew: others are waited for now.
    Stopped,
    /// The merchant's host is of before there were such questions.
    Unknown,
}

impl Host {
    /// Which of these deals, of ours as the seller, have news for their buyers.
    ///
    /// # Errors
    /// The archive cannot be read now.
    pub fn has_news(&self, asked: &[(DealId, u64)]) -> Result<Vec<DealId>, MessageRefusal> {
        let (mut found, mut unknown) = (Vec::new(), 0);
        for &(id, after) in asked {
            let looked = self.archive().news(id, after);
            let looked = looked.map_err(|error| MessageRefusal::Later(error.to_string()))?;
            match looked {
                Some((Side::Seller, news)) => found.extend(news.then_some(id)),
                Some((Side::Buyer, _)) | None => {
                    unknown += 1;
                    found.push(id);
                }
            }
            if unknown >= UNKNOWN {
                break;
            }
        }
        Ok(found)
    }

    /// As [`Host::has_news`], for somebody who goes on waiting if there are none: a group that hears
    /// of what happens in these deals from now on, as long as it is kept with the signals.
    ///
    /// # Errors
    /// As for [`Host::has_news`].
    pub fn waits_for_news(
        &self,
        asked: &Asked,
        group: &Arc<Group>,
    ) -> Result<(Vec<DealId>, Vec<Arc<Signal>>), MessageRefusal> {
        let found = self.has_news(&asked.deals)?;
        if !found.is_empty() {
            return Ok((found, Vec::new()));
        }
        let signals: Vec<_> = asked.deals.iter().map(|(id, _)| self.signal(*id)).collect();
        signals.iter().for_each(|signal| signal.join(group));
        // What has happened since that look was told to nobody.
        Ok((self.has_news(&asked.deals)?, signals))
    }
}

/// Asks a merchant for news of these deals; held there for so many milliseconds until there are
/// some, and given up when `stop` is done.
pub(crate) fn ask(
    net: &Client,
    (address, hold): (&str, u64),
    deals: Vec<(DealId, u64)>,
    stop: impl Future<Output = ()>,
) -> Result<News, NetError> {
    let url = format!("{}{NEWS}?wait={hold}", address.trim_end_matches('/'));
    let body = cbor::encode(&Asked { deals });
    match net.post_until((&url, MEDIA), body, MAX_NEWS, stop)? {
        None => Ok(News::Stopped),
        Some(Response { status: 200, body, .. }) => {
            let told: Result<Told, _> = cbor::decode(&body, MAX_NEWS);
            // What makes no sense is as good as no answer: each deal is asked about by itself.
            Ok(told.map_or(News::Unknown, |it| News::Of(it.deals)))
        }
        Some(Response { status: 204, .. }) => Ok(News::Of(Vec::new())),
        Some(_) => Ok(News::Unknown),
    }
}
