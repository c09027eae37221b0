//! `semper:archive/preferences`: what the person tells merchants by default.

use super::v1_2::semper::archive::preferences;
use crate::context::Context;
use crate::outside::Outside;

impl preferences::Host for Context {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let outside = self.outside.clone();
        // What is not granted is as if it were not set.
        let granted = self.deal.grants().presents.contains(&key);
        let value = self.journal.read("archive/preferences.get", &key, || {
            if let Outside::Stage(stage) = &outside {
                return Ok(stage.detail(&key).filter(|_| granted));
            }
            let host = outside.host()?;
            if !granted {
                return Ok(None);
            }
            Ok(host.archive().preference(&key)?)
        })?;
        self.calls += 1;
        Ok(value)
    }
}
