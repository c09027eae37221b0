//! Serving: axum routers over TLS 1.3, within limits, until SIGTERM or Ctrl-C.
//!
//! Connections are hyper-util's; around them stand the bounds that it has no means for: how many
//! there are and of whom (`guests`), how long a handshake, a first request, a body, an
//! unread answer may take. The protocol is settled by TLS (ALPN), so nothing waits for a first byte
//! to tell which it is.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::HttpBody;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use semper_base::Mend;
use semper_keeper::{Bell, Keeper};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

pub use crate::credentials::{Credentials, TlsIdentity};
use crate::flight::Flight;
use crate::guests::{Guests, Leave, Seat, network};
use crate::limits::{Limits, raise_open_files};
use crate::refusals::{Refusals, Refused};
use crate::runtime;

/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// How long connections may stay open when no request is under way any more: answers are being
/// read, or somebody has connected and asks nothing.
const IDLE: Duration = Duration::from_millis(300);
/// How often it is looked whether a guest keeps us waiting too long.
const LOOK: Duration = Duration::from_secs(1);
/// How long nobody is let in after the system could not let somebody in.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that one connection may send ahead of what we read.
const AHEAD: u32 = 512 * 1024;
/// Bytes of one answer that wait to be sent.
const BEHIND: usize = 64 * 1024;
/// Requests of one connection at once.
const STREAMS: u32 = 200;

/// Why a server does not run.
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum ServeError {
    /// Somebody else has the port.
    #[error("the address {0} is in use")]
    #[mend("stop whatever listens there, or set another `listen` in the configuration")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {detail}")]
    #[mend("set another `listen` in the configuration")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// The key is another certificate's.
    #[error("the server's certificate was not issued for its key")]
    #[mend(
        input,
        "name under [tls] the key that the certificate was issued for, or have the key that is \
         there certified: semper register --request"
    )]
    Pair,
    /// Certificate and key cannot be used.
    #[error("the server's certificate and key cannot be used: {0}")]
    #[mend("register the server's key with the authority again")]
    Tls(String),
}

/// The address of whoever sent a request, as it is counted: an extension of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer(pub std::net::IpAddr);

/// How a server serves.
#[derive(Debug)]
pub struct Serving {
    /// What is shown of it.
    pub credentials: Credentials,
    /// What strangers may take of it.
    pub limits: Limits,
    /// Counts those who were refused.
    pub refusals: Refusals,
    /// Rings at SIGHUP.
    pub hangup: Bell,
}

/// Serves with the usual limits; see [`serve_all`].
///
/// # Errors
/// As [`serve_all`].
pub fn serve(
    router: Router,
    address: SocketAddr,
    identity: &TlsIdentity,
    keeper: &Keeper,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let serving = Serving {
        credentials: Credentials::new(identity)?,
        limits: Limits::default(),
        refusals: Refusals::default(),
        hangup: Bell::new(),
    };
    serve_all(vec![(address, router)], &serving, keeper, |bound| ready(bound[0]))
}

/// Serves each router at its address until the process gets SIGTERM or SIGINT, or until `keeper`
/// ends; `ready` is called once the ports are open, with where they are.
///
/// `keeper` is that of requests. It ends with the signal: a handler that holds a request listens
/// to its [`Ending`](semper_keeper::Ending) and answers at once. Requests under way may finish,
/// for ten seconds; then connections are closed, also those on which nobody asks anything. A
/// panic in a request is counted with `keeper` and costs that request alone (status 500).
///
/// # Errors
/// When an address cannot be listened on, or certificate and key cannot be used.
pub fn serve_all(
    routers: Vec<(SocketAddr, Router)>,
    serving: &Serving,
    keeper: &Keeper,
    ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), ServeError> {
    let acceptor = TlsAcceptor::from(Arc::new(serving.credentials.config()?));
    let most = raise_open_files(serving.limits.connections);
    let limits = Limits { connections: most, ..serving.limits.clone() };
    let flight = Flight::new(keeper);
    let (builders, guests) = (Builders::new(&limits), Guests::new(&limits, &serving.refusals));
    let mut listeners = Vec::new();
    for (address, router) in routers {
        let watched = axum::middleware::from_fn_with_state(flight.clone(), crate::flight::watch);
        listeners.push((listen(address)?, router.layer(watched)));
    }
    let bound: Vec<SocketAddr> =
        listeners.iter().filter_map(|(it, _)| it.local_addr().ok()).collect();
    runtime().block_on(async move {
        let (stopping, stop) = watch::channel(false);
        let house = Arc::new(House { acceptor, builders, guests, stop });
        let mut doors = JoinSet::new();
        // Before anybody learns that it serves, so that no signal is missed.
        let failed = |error: std::io::Error| ServeError::Tls(error.to_string());
        let term = signal(SignalKind::terminate()).map_err(failed)?;
        let hup = signal(SignalKind::hangup()).map_err(failed)?;
        for (listener, router) in listeners {
            let address = listener.local_addr().map_err(failed)?;
            let listener = TcpListener::from_std(listener)
                .map_err(|error| ServeError::Listen { address, detail: error.to_string() })?;
            doors.spawn(door(listener, router, Arc::clone(&house)));
        }
        ready(&bound);
        ended(keeper, term, hup, &serving.hangup).await;
        stop_all(&house.guests, &flight, &stopping).await;
        // Connections end with the doors that they came in by.
        doors.shutdown().await;
        Ok(())
    })
}

pub(crate) fn listen(address: SocketAddr) -> Result<std::net::TcpListener, ServeError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::InUse(address),
        _ => ServeError::Listen { address, detail: error.to_string() },
    };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Waits for the server's end; rings the bell at each SIGHUP.
async fn ended(keeper: &Keeper, mut term: Signal, mut hup: Signal, bell: &Bell) {
    loop {
        tokio::select! {
            _ = term.recv() => return,
            _ = tokio::signal::ctrl_c() => return,
            () = keeper.ending().over() => return,
            _ = hup.recv() => bell.ring_all(),
        }
    }
}

/// Lets what is under way finish.
async fn stop_all(guests: &Guests, flight: &Flight, stopping: &watch::Sender<bool>) {
    tracing::info!("stopping: no new connections, requests under way finish");
    flight.keeper().end();
    stopping.send_replace(true);
    let finished = async {
        flight.landed().await;
        // Whoever has connected and asks nothing does not keep the process from ending.
        let closed = async {
            while guests.len() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(IDLE, closed).await;
        // What has come in at the last moment may finish, too.
        flight.landed().await;
    };
    let _ = tokio::time::timeout(GRACE, finished).await;
}

/// What all connections have in common.
struct House {
    acceptor: TlsAcceptor,
    builders: Builders,
    guests: Guests,
    stop: watch::Receiver<bool>,
}

/// Lets guests in until the server stops, and looks after them until this is dropped.
async fn door(listener: TcpListener, router: Router, house: Arc<House>) {
    let (mut inside, mut stop) = (JoinSet::new(), house.stop.clone());
    let mut open = true;
    loop {
        tokio::select! {
            () = stopped(&mut stop), if open => open = false,
            accepted = listener.accept(), if open => match accepted {
                Ok((stream, address)) => {
                    if let Ok(seat) = house.guests.enter(address.ip()) {
                        inside.spawn(host(stream, address, seat, router.clone(), Arc::clone(&house)));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = inside.join_next(), if !inside.is_empty() => {}
            else => return,
        }
    }
}

/// Done when the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // `House` keeps the receivers' other end for as long as anybody is inside.
    let _ = stop.wait_for(|it| *it).await;
}

/// Serves one connection to its end.
async fn host(
    stream: TcpStream,
    address: SocketAddr,
    seat: Seat,
    router: Router,
    house: Arc<House>,
) {
    let (seat, limits) = (Arc::new(seat), house.guests.limits());
    // Small answers go out at once: a delayed one costs 40 ms of every message.
    let _ = stream.set_nodelay(true);
    let mut stop = house.stop.clone();
    let handshake = tokio::time::timeout(limits.handshake(), house.acceptor.accept(stream));
    let tls = tokio::select! {
        done = handshake => match done {
            Ok(Ok(tls)) => tls,
            Ok(Err(_)) => return seat.guests().count(Refused::Handshake),
            Err(_) => return seat.guests().count(Refused::HandshakeTime),
        },
        () = seat.guest.leave.notified() => return,
        () = stopped(&mut stop) => return,
    };
    seat.shaken();
    let builder = match tls.get_ref().1.alpn_protocol() {
        Some(b"h2") => &house.builders.second,
        _ => &house.builders.first,
    };
    let asking = Asking { router, seat: Arc::clone(&seat), peer: Peer(network(address.ip())) };
    let service = TowerToHyperService::new(asking);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(tls), service));
    let mut look = tokio::time::interval(LOOK);
    let mut ending = None;
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = seat.guest.leave.notified() => return,
            () = stopped(&mut stop), if ending.is_none() => {
                ending = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick() => match seat.overdue(Instant::now()) {
                // It is told, and has a moment to hear it.
                Some(Leave::Idle) if ending.is_none() => {
                    ending = Some(Instant::now());
                    connection.as_mut().graceful_shutdown();
                }
                Some(Leave::Idle) if ending.is_some_and(|it| it.elapsed() >= LOOK) => return,
                Some(Leave::Cut(why)) => return seat.guests().count(why),
                Some(Leave::Idle) | None => {}
            },
        }
    }
}

/// How connections of HTTP/1 and of HTTP/2 are served.
struct Builders {
    first: Builder<TokioExecutor>,
    second: Builder<TokioExecutor>,
}

impl Builders {
    fn new(limits: &Limits) -> Self {
        let mut first = Builder::new(TokioExecutor::new()).http1_only();
        first
            .http1()
            .timer(TokioTimer::new())
            // Counts while nothing is asked, too. That a first request comes is looked after here.
            .header_read_timeout(limits.idle())
            .max_buf_size(limits.header_bytes);
        let mut second = Builder::new(TokioExecutor::new()).http2_only();
        second
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .initial_connection_window_size(AHEAD)
            .initial_stream_window_size(AHEAD / 2)
            .max_send_buf_size(BEHIND);
        Self { first, second }
    }
}

/// The routes as one guest asks them.
#[derive(Clone)]
struct Asking {
    router: Router,
    seat: Arc<Seat>,
    peer: Peer,
}

impl<B> Service<Request<B>> for Asking
where
    B: HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = <Router as Service<Request<B>>>::Response;
    type Error = <Router as Service<Request<B>>>::Error;
    type Future = <Router as Service<Request<B>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        <Router as Service<Request<B>>>::poll_ready(&mut self.router, cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        request.extensions_mut().insert(Arc::new(self.seat.ask()));
        self.router.call(request)
    }
}

/// Looks whether certificate and key could be used, and belong together.
///
/// # Errors
/// When they cannot.
pub fn check(identity: &TlsIdentity) -> Result<(), ServeError> {
    Credentials::new(identity).map(drop)
}
