//! Holds the drawing in ARCHITECTURE.md and the workspace together, and documents and their links;
//! see `tests/layers.rs` and `tests/links.rs`.
