//! Files as bodies of answers: read as they are taken, never whole.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// Bytes that are read at a time.
const PIECE: u64 = 64 * 1024;

/// The body that has what stands in this file now, so many bytes. To be taken within the
/// process's tokio runtime.
///
/// # Errors
/// When it is no file, or its length cannot be told.
pub fn file(file: File) -> io::Result<Body> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    Ok(Body::new(Streamed { left: meta.len(), state: Next::Read(file) }))
}

type Piece = (File, io::Result<Vec<u8>>);

enum Next {
    Read(File),
    Reading(JoinHandle<Piece>),
    Over,
}

struct Streamed {
    left: u64,
    state: Next,
}

/// The next piece; an error if the file has become shorter.
fn read(mut file: File, most: u64) -> Piece {
    let mut piece = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let read = (&mut file).take(most).read_to_end(&mut piece);
    let read = match read {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(piece),
        Err(error) => Err(error),
    };
    (file, read)
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            match std::mem::replace(&mut self.state, Next::Over) {
                Next::Over => return Poll::Ready(None),
                Next::Read(_) if self.left == 0 => return Poll::Ready(None),
                Next::Read(file) => {
                    let most = self.left.min(PIECE);
                    let reading = tokio::task::spawn_blocking(move || read(file, most));
                    self.state = Next::Reading(reading);
                }
                Next::Reading(mut reading) => match Pin::new(&mut reading).poll(cx) {
                    Poll::Pending => {
                        self.state = Next::Reading(reading);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok((file, Ok(piece)))) => {
                        self.left -= piece.len() as u64;
                        self.state = Next::Read(file);
                        return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
                    }
                    Poll::Ready(Ok((_, Err(error)))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Some(Err(io::Error::other(error))));
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, Next::Over) || (self.left == 0 && matches!(self.state, Next::Read(_)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use http_body_util::BodyExt as _;

    #[test]
    fn a_file_is_read_as_it_is_taken_and_no_further_than_it_was_long() {
        let mut whole = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|it| it.to_le_bytes()[1]).collect();
        whole.write_all(&bytes).unwrap();
        whole.rewind().unwrap();
        let mut longer = whole.try_clone().unwrap();

        crate::runtime().block_on(async {
            let body = super::file(whole).unwrap();
            let at = longer.metadata().unwrap().len();
            // Somebody writes on while it is read; a clone shares its place, so that is put back.
            longer.seek(std::io::SeekFrom::Start(at)).unwrap();
            longer.write_all(b"more").unwrap();
            longer.rewind().unwrap();
            let read = body.collect().await.unwrap().to_bytes();
            assert!(read == bytes);
        });
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(super::file(std::fs::File::open(folder.path()).unwrap()).is_err());
    }
}
