//! `semper:deal/deal`: which deal this is, its parameters, the time.

use std::time::Instant;

use semper_trust::describe::Value;

use super::bindings::semper::deal::deal as wit;
use super::convert::amount_out;
use crate::context::Context;

/// Characters of one line of a service's log.
const LOG_LINE: usize = 1000;

impl super::bindings::semper::items::types::Host for Context {}

impl wit::Host for Context {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.deal.id.to_string())
    }

    fn peer(&mut self) -> wasmtime::Result<String> {
        Ok(self.deal.agreement.name(self.deal.side.other()).to_owned())
    }

    fn parameter(&mut self, name: String) -> wasmtime::Result<Option<wit::Value>> {
        let value = self.deal.terms.terms().parameters.get(&name);
        Ok(value.map(|value| match value {
            Value::Number(number) => wit::Value::Number(*number),
            Value::Text(text) => wit::Value::Text(text.clone()),
            Value::Money(amount) => wit::Value::Money(amount_out(*amount)),
        }))
    }

    fn now(&mut self) -> wasmtime::Result<u64> {
        self.last_call = Instant::now();
        Ok(Context::now(self)?.millis())
    }

    fn log(&mut self, text: String) -> wasmtime::Result<()> {
        self.last_call = Instant::now();
        if !self.journal.is_replaying() {
            let text: String = text.chars().take(LOG_LINE).collect();
            // May hold personal data, so not at info.
            tracing::debug!(deal = self.deal.id.short(), text, "the service logs");
        }
        Ok(())
    }
}
