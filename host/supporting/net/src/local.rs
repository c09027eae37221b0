//! Serving programs of this machine: HTTP without TLS on the loopback address alone, within limits.
//!
//! Whoever may connect there is whoever runs a program on this machine, and every page that a browser
//! has open. So it is the router's part to look at each request's host, origin and token.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use semper_keeper::Keeper;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::runtime;
use crate::server::{ServeError, listen};

/// Connections at once.
const CONNECTIONS: usize = 512;
/// How long a request's head may take, also while nothing is asked.
const HEAD: Duration = Duration::from_secs(8);
/// How long one connection may stay.
const STAY: Duration = Duration::from_secs(600);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 16 * 1024;
/// How long nobody is let in after the system could not let somebody in.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves at this port of the loopback address (0: any that is free) until the keeper ends; where it
/// serves. The router is made once that is known.
///
/// # Errors
/// The port cannot be listened on.
pub fn serve(
    port: u16,
    keeper: &Keeper,
    router: impl FnOnce(u16) -> Router,
) -> Result<SocketAddr, ServeError> {
    let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let failed = |error: std::io::Error| ServeError::Tls(format!("the loopback address: {error}"));
    let bound = listener.local_addr().map_err(failed)?;
    let guard = runtime().enter();
    let listener = TcpListener::from_std(listener).map_err(failed)?;
    drop(guard);
    let (keeper, router) = (keeper.clone(), router(bound.port()));
    drop(runtime().spawn(async move {
        tokio::select! {
            () = door(listener, router) => {}
            () = keeper.ending().over() => {}
        }
    }));
    Ok(bound)
}

/// Lets programs in. Connections are dropped with it.
async fn door(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut inside = tokio::task::JoinSet::new();
    loop {
        while inside.try_join_next().is_some() {}
        // Whoever comes when it is full waits in the system's line.
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                inside.spawn(async move {
                    let _seat = seat;
                    let _ = stream.set_nodelay(true);
                    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
                    builder
                        .http1()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .max_buf_size(HEAD_BYTES);
                    let service = TowerToHyperService::new(router);
                    let served = builder.serve_connection(TokioIo::new(stream), service);
                    let _ = tokio::time::timeout(STAY, served).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
