//! `semper:archive/preferences`: what the person tells merchants by default.

use super::v1_0::semper::archive::preferences;
use crate::context::Context;

/// What may be asked for; anything else is as if it were not set.
const TOLD: [&str; 5] = ["name", "street", "postcode", "city", "country"];

impl preferences::Host for Context {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        let outside = self.outside.clone();
        let value = self.journal.read("archive/preferences.get", &key, || {
            let host = outside.host()?;
            if !TOLD.contains(&key.as_str()) {
                return Ok(None);
            }
            Ok(host.archive().preference(&key)?)
        })?;
        self.calls += 1;
        Ok(value)
    }
}
