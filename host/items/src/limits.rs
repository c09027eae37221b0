//! Every bound of this layer. What exceeds one is refused before anything is allocated.

/// Bytes of one encoded statement.
pub const STATEMENT: usize = 64 * 1024;
/// Bytes of one signed statement: the statement, a chain of three certificates, a signature.
pub const SIGNED_STATEMENT: usize = STATEMENT + 16 * 1024;
/// Bytes of one piece of information that travels in a message.
pub const INFORMATION: usize = 256 * 1024;
/// Bytes of one container.
pub const CONTAINER: usize = 512 * 1024;
/// How deep containers nest, protected layers included.
pub const DEPTH: usize = 8;
/// Leaves of one container.
pub const LEAVES: usize = 64;
/// Lines of one offer.
pub const LINES: usize = 100;
/// Units of one article in one line.
pub const QUANTITY: u32 = 10_000;
/// Characters of one text field.
pub const TEXT: usize = 200;
/// Characters of a free text such as a reason.
pub const LONG_TEXT: usize = 2_000;
