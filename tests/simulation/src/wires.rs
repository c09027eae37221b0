//! The wires between computers: turmoil carries numbered parcels, each with a delay of its own, so
//! that they overtake one another; what is lost or carried twice is drawn from the seed. A parcel is
//! a request or an answer of HTTP, as it is inside of TLS.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method as HttpMethod, Request};
use http_body_util::BodyExt as _;
use semper_net::{Ask, Bounds, Carry, Method, NetError, Reply, Response, Until};
use tower_service::Service as _;
use turmoil::net::UdpSocket;

use crate::computer::Computer;
use crate::faults::Fault;
use crate::turns::Machine;

/// Where every computer listens for parcels.
const PORT: u16 = 9_000;
/// How long a broken connection may look whole, in ms.
const BROKEN_MS: u64 = 3_000;

/// What is under way.
enum Parcel {
    Request(u64, Box<Ask>),
    /// The answer to the request with this ticket; none if nobody listens there.
    Answer(u64, Option<Response>),
}

/// All wires of a run.
#[derive(Default)]
pub struct Wires {
    parcels: Mutex<HashMap<u64, Parcel>>,
    asked: Mutex<HashMap<u64, Arc<Asked>>>,
    number: AtomicU64,
}

/// A request that somebody waits for.
#[derive(Default)]
struct Asked {
    from: String,
    answer: Mutex<Option<Result<Response, String>>>,
    answered: AtomicBool,
}

impl Asked {
    fn say(&self, answer: Result<Response, String>) {
        let mut place = lock(&self.answer);
        if !self.answered.swap(true, Ordering::Relaxed) {
            *place = Some(answer);
        }
    }
}

impl Wires {
    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    /// How many parcels there have been.
    pub fn count(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }

    /// Puts a parcel on its way.
    fn put(&self, from: &Computer, to: &str, parcel: Parcel) {
        let id = self.next();
        lock(&self.parcels).insert(id, parcel);
        from.post(to, id);
    }
}

/// The network card of a computer: carries its parcels, and hands requests to its server.
///
/// # Errors
/// When turmoil has no place for its socket.
pub async fn carry(computer: Arc<Computer>) -> turmoil::Result {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut buffer = [0; 8];
    loop {
        while let Some((to, id)) = computer.to_carry() {
            socket.send_to(&id.to_be_bytes(), (to.as_str(), PORT)).await?;
        }
        tokio::select! {
            () = computer.has_to_carry() => {}
            came = socket.recv_from(&mut buffer) => {
                came?;
                arrived(&computer, u64::from_be_bytes(buffer));
            }
        }
    }
}

fn arrived(computer: &Arc<Computer>, id: u64) {
    let wires = computer.wires();
    let Some(parcel) = lock(&wires.parcels).remove(&id) else { return };
    match parcel {
        Parcel::Answer(ticket, answer) => {
            let Some(asked) = lock(&wires.asked).get(&ticket).cloned() else { return };
            asked.say(answer.ok_or_else(|| "nobody listens there".to_owned()));
        }
        Parcel::Request(ticket, ask) => {
            let computer = Arc::clone(computer);
            let Some(router) = computer.router() else {
                return answer(&computer, ticket, None);
            };
            tokio::spawn(async move {
                let response = respond(router, *ask).await;
                answer(&computer, ticket, Some(response));
            });
        }
    }
}

fn answer(computer: &Computer, ticket: u64, response: Option<Response>) {
    let wires = computer.wires();
    let Some(asked) = lock(&wires.asked).get(&ticket).cloned() else { return };
    if computer.faults().happens(Fault::Lost) {
        return asked.say(Err("the connection broke before the answer".to_owned()));
    }
    wires.put(computer, &asked.from, Parcel::Answer(ticket, response));
}

/// Has the shipped routes answer.
async fn respond(mut router: Router, ask: Ask) -> Response {
    let method = match ask.method {
        Method::Get => HttpMethod::GET,
        Method::Head => HttpMethod::HEAD,
        Method::Post => HttpMethod::POST,
        Method::Put => HttpMethod::PUT,
        Method::Patch => HttpMethod::PATCH,
    };
    let mut request = Request::builder().method(method).uri(path(&ask.url));
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(ask.body)).expect("the address was looked at before");
    let response = router.call(request).await.unwrap_or_else(|never| match never {});
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map(|it| it.to_bytes().to_vec());
    Response { status, body: body.unwrap_or_default() }
}

/// What follows the host in an address.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |it| it.1);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// The way of one machine to the servers of others.
#[derive(Clone, Debug)]
pub struct Way(pub Arc<Machine>);

impl Way {
    fn begin(&self, ask: &Ask) -> Result<(Arc<Computer>, Arc<Asked>, u64, bool), NetError> {
        let computer = self.0.computer();
        let unreachable = || NetError::Unreachable {
            url: ask.url.clone(),
            detail: "there is no such computer".into(),
        };
        let to = computer.at(&ask.url).ok_or_else(unreachable)?;
        let (wires, faults) = (computer.wires(), computer.faults());
        let (ticket, from) = (wires.next(), computer.name().to_owned());
        let asked = Arc::new(Asked { from, ..Asked::default() });
        lock(&wires.asked).insert(ticket, Arc::clone(&asked));
        let lost = faults.happens(Fault::Lost);
        let copies = usize::from(!lost) + usize::from(faults.happens(Fault::Repeated));
        for _ in 0..copies {
            let parcel = Parcel::Request(ticket, Box::new(ask.clone()));
            wires.put(computer, to.name(), parcel);
        }
        Ok((to, asked, ticket, lost))
    }
}

impl Carry for Way {
    fn send(
        &self,
        ask: Ask,
        bounds: Bounds,
        mut until: Until<'_>,
    ) -> Result<Option<Response>, NetError> {
        let (to, asked, ticket, lost) = self.begin(&ask)?;
        let (machine, url) = (&self.0, ask.url);
        let _gone = Gone(machine.computer().wires(), ticket);
        let broken =
            |detail: &str| NetError::Unreachable { url: url.clone(), detail: detail.into() };
        let life = to.life();
        let patience = match lost {
            true => Duration::from_millis(1 + machine.computer().faults().below(BROKEN_MS)),
            false => bounds.whole,
        };
        let now = || Duration::from_millis(machine.turns().now());
        let (end, flag) = (now() + patience, Arc::new(Flag::default()));
        let waker = Waker::from(Arc::clone(&flag));
        loop {
            flag.0.store(false, Ordering::Relaxed);
            if let Some(answer) = lock(&asked.answer).take() {
                let answer = answer.map_err(|detail| broken(&detail))?;
                if answer.body.len() > bounds.most {
                    return Err(NetError::TooLarge { url, most: bounds.most });
                }
                return Ok(Some(answer));
            }
            if until.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return Ok(None);
            }
            if to.life() != life {
                return Err(broken("the connection was reset"));
            }
            let left = end.saturating_sub(now());
            if left.is_zero() {
                return Err(if lost { broken("it broke") } else { NetError::Timeout(url) });
            }
            let (asked, to, flag) = (Arc::clone(&asked), Arc::clone(&to), Arc::clone(&flag));
            let ready = move || {
                asked.answered.load(Ordering::Relaxed)
                    || flag.0.load(Ordering::Relaxed)
                    || to.life() != life
            };
            machine.wait(left, Some(Box::new(ready)));
        }
    }

    fn stream(
        &self,
        ask: &Ask,
        bounds: Bounds,
        sink: &mut dyn FnMut(u16, &[u8]),
    ) -> Result<Reply, NetError> {
        let forever = std::pin::pin!(std::future::pending());
        let answer = self.send(ask.clone(), bounds, forever)?;
        let answer = answer.ok_or_else(|| NetError::Timeout(ask.url.clone()))?;
        sink(answer.status, &answer.body);
        Ok(Reply { status: answer.status, headers: Default::default() })
    }
}

/// Nobody waits for an answer any more.
struct Gone<'a>(&'a Wires, u64);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        lock(&self.0.asked).remove(&self.1);
    }
}

/// Set by a waker.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
