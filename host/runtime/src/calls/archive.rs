//! `semper:archive/preferences`: what the person tells merchants by default.

use std::sync::Arc;

use super::v1_2::semper::archive::preferences;
use crate::context::Context;

impl preferences::Host for Context {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let world = Arc::clone(&self.world);
        // What is not granted is as if it were not set.
        let granted = self.deal.grants().presents.contains(&key);
        let value =
            self.journal.read("archive/preferences.get", &key, || world.detail(&key, granted))?;
        self.calls += 1;
        Ok(value)
    }
}
