//! What a third party serves: requests, its name and keys, and its public log.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use semper_bank_protocol::CBOR;
use semper_base::cbor;
use semper_exchange::standard::Standard;
use semper_exchange::verdict::Request;
use semper_keeper::Health;
use semper_net::Peer;

use super::{MAX_REQUEST, PARTY, REQUESTS, SUCCESSION, Spend, ThirdParty, VERDICTS};
use crate::budget::Budget;
use crate::role::Role as ServerRole;
use crate::surroundings::{Desk, Surroundings};
use crate::{health, log, web};

impl ServerRole for ThirdParty {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let log = self.log.clone();
        let budget = Arc::new(around.budget());
        let router = Router::new()
            .route(REQUESTS, post(ask).layer(web::most(2 * MAX_REQUEST)))
            .route(PARTY, get(party))
            .route(SUCCESSION, get(succession))
            .layer(Extension(budget))
            .with_state(around.desk(self));
        match log {
            Some(log) => {
                router.nest(VERDICTS, log::public_routes(around.desk_for("verdicts", log)))
            }
            None => router,
        }
    }

    fn health(&self) -> Vec<Health> {
        let cases = self.cases.file().map(|it| health::of_store("third-party/cases", it));
        let log = self.log.as_ref().map(|it| it.health_of_store("third-party/verdicts"));
        cases.into_iter().chain(log).collect()
    }
}

async fn party(State(desk): State<Desk<ThirdParty>>) -> Response {
    web::bytes(CBOR, cbor::encode(&desk.named()))
}

async fn succession(State(desk): State<Desk<ThirdParty>>) -> Response {
    web::bytes(CBOR, cbor::encode(&desk.ring.statements))
}

async fn ask(
    State(desk): State<Desk<ThirdParty>>,
    Extension(budget): Extension<Arc<Budget>>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Response {
    let peer = peer.map(|Extension(it)| it);
    let spend = move |bytes| budget.spend(peer, bytes);
    desk.answer("request", move |third| respond(third, &body, &spend)).await
}

fn respond(third: &ThirdParty, body: &[u8], spend: Spend<'_>) -> Response {
    let request = match cbor::decode::<Request<Standard>>(body, MAX_REQUEST) {
        Ok(request) => request,
        Err(error) => {
            let mend = "send a request as exchange.cddl describes it";
            return web::refuse(StatusCode::BAD_REQUEST, error, mend);
        }
    };
    match third.answer_within(&request, third.clock.now(), spend) {
        Ok(answer) => web::bytes(CBOR, cbor::encode(&answer)),
        Err(error) => {
            tracing::error!(%error, "a request was not decided");
            web::not_now()
        }
    }
}
