//! `semper:deal/deal`: which deal this is, its parameters, the time.

use semper_trust::describe::Value;

use super::convert::amount_out;
use super::v1_2::semper::deal::deal as wit;
use super::v1_2::semper::items::types;
use crate::context::Context;

/// Characters of one line of a service's log.
const LOG_LINE: usize = 1000;

impl types::Host for Context {}

impl Context {
    /// Counted on replay too, so that the limit is met at the same call.
    pub(super) fn log_line(&mut self, text: &str) -> wasmtime::Result<()> {
        self.calls += 1;
        self.log(text.len())?;
        self.heard(text);
        if !self.journal.is_replaying() {
            let text: String = text.chars().take(LOG_LINE).collect();
            self.world.logged(&text);
        }
        Ok(())
    }
}

impl wit::Host for Context {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.deal.id.to_string())
    }

    fn peer(&mut self) -> wasmtime::Result<String> {
        Ok(self.deal.agreement.name(self.deal.side.other()).to_owned())
    }

    fn parameter(&mut self, name: String) -> wasmtime::Result<Option<wit::Value>> {
        Ok(self.deal.terms.terms().parameters.get(&name).map(|value| match value {
            Value::Number(number) => wit::Value::Number(*number),
            Value::Text(text) => wit::Value::Text(text.clone()),
            Value::Money(amount) => wit::Value::Money(amount_out(*amount)),
        }))
    }

    fn now(&mut self) -> wasmtime::Result<u64> {
        self.calls += 1;
        Ok(Context::now(self)?.millis())
    }

    fn expires(&mut self) -> wasmtime::Result<u64> {
        Ok(self.deal.agreement.expires.millis())
    }

    fn log(&mut self, text: String) -> wasmtime::Result<()> {
        self.log_line(&text)
    }
}
