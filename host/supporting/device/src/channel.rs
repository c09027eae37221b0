//! An encrypted channel between two known keys.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pki_types::ServerName;
use rustls::{ClientConnection, Connection, ServerConnection};
use semper_base::{PublicKey, SigningKey};
use semper_tinguin_protocol::protocol::MAX_FRAME;

use crate::tls;

/// How long connecting and the handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the other end may take nothing of what is sent.
const WRITE: Duration = Duration::from_secs(10);

/// One piece of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The sender is still there.
    Beat,
    /// A request, or a reply.
    Body(Vec<u8>),
}

/// An encrypted channel.
#[derive(Debug)]
pub struct Channel {
    tls: Connection,
    tcp: Arc<TcpStream>,
    /// What has come, and is no whole frame yet.
    have: Vec<u8>,
}

impl Channel {
    /// Connects to the host's machine: it must have this key, or any, while the two are being paired.
    ///
    /// # Errors
    /// It is not there, is slow, or has another key.
    pub fn connect(address: &str, own: &SigningKey, other: Option<PublicKey>) -> io::Result<Self> {
        let config = Arc::new(tls::client(own, other).map_err(io::Error::other)?);
        let name = ServerName::try_from("semper-device").map_err(io::Error::other)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            let tls = ClientConnection::new(Arc::clone(&config), name.clone());
            let tls = tls.map_err(io::Error::other)?;
            let tcp = TcpStream::connect_timeout(&address, HANDSHAKE);
            match tcp.and_then(|tcp| Self::begin(tls.into(), tcp)) {
                Ok(channel) => return Ok(channel),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes the connection of a device, in the same way.
    ///
    /// # Errors
    /// It is slow, or has another key.
    pub fn accept(tcp: TcpStream, own: &SigningKey, other: Option<PublicKey>) -> io::Result<Self> {
        let config = tls::server(own, other).map_err(io::Error::other)?;
        let tls = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        Self::begin(tls.into(), tcp)
    }

    fn begin(mut tls: Connection, tcp: TcpStream) -> io::Result<Self> {
        tls.set_buffer_limit(None);
        tcp.set_nodelay(true)?;
        tcp.set_write_timeout(Some(WRITE))?;
        let until = Instant::now() + HANDSHAKE;
        let mut this = Self { tls, tcp: Arc::new(tcp), have: Vec::new() };
        loop {
            this.flush()?;
            if !this.tls.is_handshaking() {
                break;
            }
            // However slowly it speaks: it has so long in all.
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            this.tcp.set_read_timeout(Some(left))?;
            match this.tls.read_tls(&mut &*this.tcp) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_late(&error) => continue,
                Err(error) => return Err(error),
            }
            if let Err(error) = this.tls.process_new_packets() {
                // It hears why.
                let _ = this.flush();
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        // The first frame may have come with the end of the handshake.
        this.take_in()?;
        Ok(this)
    }

    /// The other end's key.
    ///
    /// # Errors
    /// It has shown none of Ed25519.
    pub fn other(&self) -> io::Result<PublicKey> {
        let shown = self.tls.peer_certificates().and_then(|it| it.first());
        shown
            .and_then(|it| tls::key_of(it))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it has shown no key"))
    }

    /// 32 bytes that both ends of this very connection have, and nobody between two of them.
    ///
    /// # Errors
    /// The connection is over.
    pub fn binding(&self) -> io::Result<[u8; 32]> {
        let exported = match &self.tls {
            Connection::Client(it) => it.export_keying_material([0; 32], b"EXPORTER-semper", None),
            Connection::Server(it) => it.export_keying_material([0; 32], b"EXPORTER-semper", None),
        };
        exported.map_err(io::Error::other)
    }

    /// The connection below, for looking whether the other end has gone.
    pub fn tcp(&self) -> Arc<TcpStream> {
        Arc::clone(&self.tcp)
    }

    /// Whether nothing has come and the other end is still there.
    pub fn is_quiet(&self) -> bool {
        semper_door::is_quiet(&*self.tcp)
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// The other end has gone, or takes nothing.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        let (kind, body): (u8, &[u8]) = match frame {
            Frame::Beat => (0, &[]),
            Frame::Body(body) => (1, body),
        };
        let length = u32::try_from(body.len()).ok().filter(|it| *it as usize <= MAX_FRAME);
        let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut bytes = Vec::with_capacity(body.len() + 5);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.push(kind);
        bytes.extend_from_slice(body);
        self.tls.writer().write_all(&bytes)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut &*self.tcp)?;
        }
        Ok(())
    }

    /// The next frame; none if it does not come in time. It may be asked for again then.
    ///
    /// # Errors
    /// The other end has gone, or says what cannot be read.
    pub fn next(&mut self, within: Duration) -> io::Result<Option<Frame>> {
        let until = Instant::now() + within;
        loop {
            if let Some(frame) = self.whole()? {
                return Ok(Some(frame));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.tcp.set_read_timeout(Some(left))?;
            match self.tls.read_tls(&mut &*self.tcp) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => self.take_in()?,
                Err(error) if is_late(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes in what has come.
    fn take_in(&mut self) -> io::Result<()> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let state = self.tls.process_new_packets().map_err(invalid)?;
        let from = self.have.len();
        self.have.resize(from + state.plaintext_bytes_to_read(), 0);
        self.tls.reader().read_exact(&mut self.have[from..])?;
        self.flush()
    }

    /// A frame that has come whole.
    fn whole(&mut self) -> io::Result<Option<Frame>> {
        let Some((head, rest)) = self.have.split_first_chunk::<5>() else { return Ok(None) };
        let [a, b, c, d, kind] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > MAX_FRAME {
            return Err(unreadable());
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let frame = match kind {
            0 if length == 0 => Frame::Beat,
            1 => Frame::Body(body.to_vec()),
            _ => return Err(unreadable()),
        };
        self.have.drain(..length + 5);
        Ok(Some(frame))
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // At once, also for whoever still has the connection below.
        let _ = self.tcp.shutdown(Shutdown::Both);
    }
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says cannot be read")
}

fn is_late(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
