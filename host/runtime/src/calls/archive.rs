//! `semper:archive/preferences`: what the person tells merchants by default.

use std::sync::Arc;

use super::v1_2::semper::archive::preferences;
use crate::context::Context;

/// Whether the person agrees to advertising: every service may know that.
const ADVERTISING: &str = "advertising";

impl preferences::Host for Context {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let world = Arc::clone(&self.world);
        // What is not granted is as if it were not set.
        let granted = self.deal.grants().presents.contains(&key);
        let value = self.journal.read("archive/preferences.get", &key, || match key.as_str() {
            // Whoever has not said that she agrees does not.
            ADVERTISING => Ok(Some(world.detail(&key, true)?.unwrap_or_else(|| "no".into()))),
            _ => world.detail(&key, granted),
        })?;
        self.calls += 1;
        Ok(value)
    }
}
