//! End-to-end tests of a marketplace of real processes; see `tests/`.
