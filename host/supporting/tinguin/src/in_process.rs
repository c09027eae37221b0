//! A TINGUIN in the host's own process: for simulations, and for tests that need no socket.

use std::sync::Arc;

use semper_keeper::Spawn;
use semper_tinguin_protocol::protocol::{Reply, Request};
use semper_tinguin_protocol::{Ask, ClientError};

use crate::service::{Service, ending, panicked};

/// A TINGUIN that is asked by a call instead of over its socket. It never waits: a posed question
/// is pending until somebody has taken the asker's turn ([`Service::keep_asking`]), and a watch
/// tells of what has been answered so far.
#[derive(Clone, Debug)]
pub struct InProcess {
    service: Arc<Service>,
    spawn: Arc<dyn Spawn>,
}

impl InProcess {
    /// Asks this service; panics are caught and counted there.
    pub const fn new(service: Arc<Service>, spawn: Arc<dyn Spawn>) -> Self {
        Self { service, spawn }
    }
}

impl Ask for InProcess {
    fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let request = match request.clone() {
            Request::Pose { request, .. } => Request::Pose { request, wait_ms: 0 },
            Request::Watch { epoch, after } => return Ok(self.service.news(epoch, after)),
            other => other,
        };
        let (mut request, mut reply) = (Some(request), None);
        let answered = self.spawn.caught("a request", &mut || {
            reply = request.take().map(|request| self.service.answer(request));
        });
        Ok(match (answered, reply) {
            (Ok(()), Some(reply)) => reply.unwrap_or_else(Reply::NotDone),
            (Ok(()), None) => Reply::NotDone(ending()),
            (Err(panic), _) => Reply::NotDone(panicked(&panic)),
        })
    }
}
