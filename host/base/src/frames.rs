//! Frames between programs of one machine: canonical CBOR, each with its length in four bytes.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cbor::{self, CborError};

/// Writes one frame. One of more than `most` bytes is an error of the kind `InvalidInput`, and
/// nothing of it is written.
pub fn write<T: Serialize>(stream: &mut impl Write, value: &T, most: usize) -> io::Result<()> {
    write_bytes(stream, &cbor::encode(value), most)
}

/// Writes the bytes of one frame, as they are, within the same bound.
pub fn write_bytes(stream: &mut impl Write, bytes: &[u8], most: usize) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length as usize <= most);
    let length = length.ok_or_else(|| {
        let what = format!("{} bytes where at most {most} fit", bytes.len());
        io::Error::new(io::ErrorKind::InvalidInput, what)
    })?;
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)?;
    stream.flush()
}

/// Reads one frame; `None` at the end of the stream. One of more than `most` bytes, or one that
/// cannot be read, is an error of the kind `InvalidData`.
pub fn read<T>(stream: &mut impl Read, most: usize) -> io::Result<Option<T>>
where
    T: Serialize + DeserializeOwned,
{
    let Some(bytes) = read_bytes(stream, most)? else { return Ok(None) };
    cbor::decode(&bytes, most).map(Some).map_err(|error| invalid(&error))
}

/// Reads the bytes of one frame, as they are; `None` at the end of the stream.
pub fn read_bytes(stream: &mut impl Read, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > most {
        return Err(invalid(&CborError::TooLong { got: length, most }));
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

fn invalid(error: &CborError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
