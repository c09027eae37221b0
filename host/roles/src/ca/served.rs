//! What an authority serves: registrations, renewals, and its lists.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use semper_base::cert::{Crl, ISSUER};
use semper_base::{Certificate, Mend as _, Timestamp, renewal};
use semper_keeper::{Health, State as Standing};

use super::{
    CRL, CRL_OF_ROOT, Ca, CaError, LIST_OF_ROOT, REGISTER, RENEW, Registered, Registration,
};
use crate::role::Role as ServerRole;
use crate::surroundings::{Desk, Surroundings};
use crate::{health, web};

/// Bytes of a registration.
const MOST: usize = 64 * 1024;

impl ServerRole for Ca {
    fn routes(self: Arc<Self>, around: &Surroundings) -> Router {
        let desk = around.desk(self);
        let register = post(register).layer(web::most(MOST));
        let renew = post(renew).layer(web::most(renewal::MOST));
        Router::new()
            .route(REGISTER, register)
            .route(RENEW, renew)
            .route(CRL, get(list))
            .route(&format!("{CRL}{ISSUER}"), get(issuer))
            .route(CRL_OF_ROOT, get(list_of_root))
            .with_state(desk)
    }

    fn health(&self) -> Vec<Health> {
        let state = match self.lack_of_list(Timestamp::now()) {
            None => Standing::Well,
            Some(lack) => Standing::Ill(CaError::NoList(lack).to_string()),
        };
        let list = Health { name: "ca/list-of-root".into(), state, panics: 0 };
        let mut all = vec![health::of_store("ca/store", &self.file)];
        all.extend((!self.between.is_empty()).then_some(list));
        all
    }
}

async fn list(State(desk): State<Desk<Ca>>) -> Response {
    let made = |ca: &Ca| match ca.list() {
        Ok(list) => web::bytes("application/pkix-crl", list),
        Err(error) => {
            tracing::error!(%error, "the revocation list cannot be made");
            web::not_now()
        }
    };
    desk.answer("list", made).await
}

/// The authorities between the list and the root; nothing of a root.
async fn issuer(State(desk): State<Desk<Ca>>) -> Response {
    let shown = |ca: &Ca| match &*ca.between {
        [] => web::nothing(),
        between => {
            let pem = Certificate::chain_to_pem(between);
            web::bytes("application/pem-certificate-chain", pem.into_bytes())
        }
    };
    desk.answer("issuer", shown).await
}

/// The root's list, as it was carried over.
async fn list_of_root(State(desk): State<Desk<Ca>>) -> Response {
    let shown = |ca: &Ca| {
        let pem = std::fs::read_to_string(ca.file.with_file_name(LIST_OF_ROOT));
        match pem.ok().and_then(|pem| Crl::from_pem(&pem).ok()) {
            Some(list) => web::bytes("application/pkix-crl", list.der().to_vec()),
            None => web::nothing(),
        }
    };
    desk.answer("list", shown).await
}

async fn renew(State(desk): State<Desk<Ca>>, body: Bytes) -> Response {
    desk.answer("renew", move |ca| said(ca.renew(&body))).await
}

async fn register(State(desk): State<Desk<Ca>>, body: Bytes) -> Response {
    desk.answer("register", move |ca| answer(ca, &body)).await
}

fn answer(ca: &Ca, body: &[u8]) -> Response {
    let registration: Registration = match serde_json::from_slice(body) {
        Ok(registration) => registration,
        Err(error) => {
            return web::refuse(StatusCode::BAD_REQUEST, error, "send key and request as JSON");
        }
    };
    said(ca.register(&registration))
}

fn said(registered: Result<Registered, CaError>) -> Response {
    match registered {
        Ok(registered) => web::json(StatusCode::OK, &registered),
        Err(error @ (CaError::Sqlite(_) | CaError::Home(_) | CaError::Key(_))) => {
            tracing::error!(%error, "nothing can be certified");
            web::not_now()
        }
        Err(error) => web::refuse(StatusCode::FORBIDDEN, &error, error.mend()),
    }
}
