//! News of many deals at once, for buyers whose deals sleep. No thread is held meanwhile.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use semper_base::{DealId, cbor};
use semper_commerce::host::Group;
use semper_commerce::news::{Asked, MAX_NEWS, MEDIA, MOST, Told};

use super::{Merchant, Poll, Shop, message_refusal, no_content};
use crate::room::NotDone;
use crate::surroundings::Desk;
use crate::web;

/// Answers a question for news.
pub(super) async fn news(State(desk): Shop, Query(poll): Query<Poll>, body: Bytes) -> Response {
    let asked = cbor::decode::<Asked>(&body, MAX_NEWS).ok().filter(|it| it.deals.len() <= MOST);
    let response = match asked {
        Some(asked) => held(&desk, asked, &poll).await.unwrap_or_else(NotDone::into_response),
        None => {
            let mend = format!("canonical CBOR, at most {MOST} deals");
            web::refuse(StatusCode::BAD_REQUEST, "not a question for news", mend)
        }
    };
    desk.count("news", response)
}

/// Holds the answer until there are news, the time is over, or the server ends.
async fn held(desk: &Desk<Merchant>, asked: Asked, poll: &Poll) -> Result<Response, NotDone> {
    let (until, group) = (poll.until(), Arc::new(Group::default()));
    let asked = Arc::new(asked);
    let (all, joined) = (Arc::clone(&asked), Arc::clone(&group));
    let looked = desk.work("news", move |it| it.host.waits_for_news(&all, &joined)).await?;
    let (mut found, _signals) = match looked {
        Ok(looked) => looked,
        Err(refusal) => return Ok(message_refusal(&refusal)),
    };
    while found.is_empty() {
        let heard = tokio::select! {
            () = desk.requests.over() => return Ok(no_content()),
            heard = tokio::time::timeout_at(until, group.heard()) => heard,
        };
        let Ok(heard) = heard else { return Ok(no_content()) };
        let some: Vec<(DealId, u64)> =
            asked.deals.iter().filter(|it| heard.contains(&it.0)).copied().collect();
        found = match desk.work("news", move |it| it.host.has_news(&some)).await? {
            Ok(found) => found,
            Err(refusal) => return Ok(message_refusal(&refusal)),
        };
    }
    Ok(web::bytes(MEDIA, cbor::encode(&Told { deals: found })))
}
