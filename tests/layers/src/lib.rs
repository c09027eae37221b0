//! Holds the drawing in ARCHITECTURE.md and the workspace together; see `tests/layers.rs`.
