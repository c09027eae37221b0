//! What a store may take of memory and tables, with a typed reason for what it may not.

use semper_trust::{Limit, Limits};
use wasmtime::ResourceLimiter;

use crate::stop::Stop;

/// The limits of one store.
#[derive(Debug)]
pub struct Limiter {
    limits: Limits,
    elements: u64,
}

impl Limiter {
    /// A limiter with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, elements: 0 }
    }

    fn over(&self, limit: Limit) -> wasmtime::Error {
        Stop::limit(limit, self.limits.get(limit)).into()
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // A refusal that the component could survive would be another result than on a host
        // with higher limits; a stop is the same everywhere.
        if desired > self.limits.size(Limit::Memory) {
            return Err(self.over(Limit::Memory));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.elements = self.elements.saturating_add(desired.saturating_sub(current) as u64);
        if self.elements > self.limits.get(Limit::Tables) {
            return Err(self.over(Limit::Tables));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.size(Limit::Instances)
    }

    fn tables(&self) -> usize {
        self.limits.size(Limit::Instances)
    }

    fn memories(&self) -> usize {
        self.limits.size(Limit::Instances)
    }
}
