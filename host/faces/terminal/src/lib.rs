//! The face for terminals, drawn with ratatui.
//!
//! [`draw`] is a pure function of a [`Frame`] and the input state, so that what a person sees
//! can be tested without a terminal. The user's name, personal phrase and the status are
//! always there; a service's words stand in a box that says so; a decision needs the word
//! `yes`, typed, after the whole of it has been on the screen.
//!
//! [`Frame`]: semper_tinguin_protocol::Frame
#![forbid(unsafe_code)]

mod drawing;
mod input;
mod typed;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use semper_keeper::{Bell, Keeper, Turn};
use semper_tinguin_protocol::screen::{Answer, Frame, Screen};
use semper_tinguin_protocol::{Attention, Face, PassPhrase};

pub use drawing::{depth, draw, follow};
pub use input::{Input, meant, press};
pub use typed::Typed;

/// How often the keyboard's thread looks whether the TINGUIN ends.
const LOOK: Duration = Duration::from_millis(200);

/// The face.
pub struct TerminalFace {
    canvas: Arc<Canvas>,
    /// Keys pressed while a question is on the screen.
    keys: Mutex<Receiver<KeyEvent>>,
    /// Keeps `keys` open: a keyboard that has ended is no answer.
    _press: SyncSender<KeyEvent>,
    asking: Arc<AtomicBool>,
    /// Who hears that somebody is there, and of the wish to lock.
    attention: Arc<OnceLock<Arc<dyn Attention>>>,
    keeper: Keeper,
}

/// The terminal, and what is on it.
struct Canvas {
    terminal: Mutex<Terminal<CrosstermBackend<io::Stdout>>>,
    /// What was painted last while nothing was asked.
    shown: Mutex<Option<Frame>>,
    /// The window has had another size since the last painting: whatever stands there now was
    /// moved about by the terminal, even if the size is the old one again.
    resized: AtomicBool,
}

impl Canvas {
    /// Paints, and marks the question as read once its end is on the screen.
    fn paint(&self, frame: &Frame, input: &mut Input) {
        let mut terminal = self.terminal.lock().unwrap_or_else(PoisonError::into_inner);
        let afresh = self.resized.swap(false, Ordering::SeqCst);
        if let Err(error) = paint(&mut terminal, frame, input, afresh) {
            tracing::warn!(%error, "the terminal cannot be drawn on");
        }
    }

    /// Paints what is shown while nothing is asked.
    fn show(&self, frame: &Frame) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame.clone());
        self.paint(frame, &mut Input::default());
    }

    /// Paints the same again.
    fn show_again(&self) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(frame) = shown {
            self.paint(&frame, &mut Input::default());
        }
    }
}

/// Paints a frame, and marks a question as read once its end is on the screen. `afresh` paints the
/// whole window, and not only what has changed since the last painting.
///
/// # Errors
/// The terminal cannot be drawn on.
pub fn paint<B: Backend>(
    terminal: &mut Terminal<B>,
    frame: &Frame,
    input: &mut Input,
    afresh: bool,
) -> Result<(), B::Error> {
    if afresh {
        terminal.clear()?;
    }
    let size = terminal.size()?;
    let window = Rect::new(0, 0, size.width, size.height);
    let depth = depth(frame, input, window);
    input.scroll = input.scroll.min(depth);
    follow(frame, input, window);
    input.scroll = input.scroll.min(depth);
    input.read |= input.scroll == depth;
    terminal.draw(|out| draw(out, frame, input))?;
    Ok(())
}

/// A question is on the screen: keys belong to it, and nothing is painted over it.
struct Asking<'a>(&'a AtomicBool);

impl std::fmt::Debug for TerminalFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TerminalFace")
    }
}

impl TerminalFace {
    /// Takes over the terminal. The keeper reads its keyboard, and ends when the person closes
    /// the TINGUIN or the terminal has gone away.
    pub fn new(keeper: &Keeper) -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        let asking = Arc::new(AtomicBool::new(false));
        let (press, keys) = sync_channel(64);
        let _press = press.clone();
        let canvas = Arc::new(Canvas {
            terminal: Mutex::new(terminal),
            shown: Mutex::default(),
            resized: AtomicBool::new(false),
        });
        let attention = Arc::new(OnceLock::new());
        let keyboard = Keyboard {
            press,
            asking: Arc::clone(&asking),
            canvas: Arc::clone(&canvas),
            attention: Arc::clone(&attention),
            keeper: keeper.clone(),
        };
        keeper.thread("keyboard", &Bell::new(), Box::new(move |_| keyboard.turn()));
        let (keys, keeper) = (Mutex::new(keys), keeper.clone());
        Ok(Self { canvas, keys, _press, asking, attention, keeper })
    }

    /// Gives the terminal back; also done when the face is dropped.
    pub fn restore() {
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
    }
}

/// Reads the keyboard: for the question on the screen, or, when there is none, for the keys
/// that end the TINGUIN.
struct Keyboard {
    press: SyncSender<KeyEvent>,
    asking: Arc<AtomicBool>,
    canvas: Arc<Canvas>,
    attention: Arc<OnceLock<Arc<dyn Attention>>>,
    keeper: Keeper,
}

impl Keyboard {
    fn turn(&self) -> Turn {
        let key = match event::poll(LOOK).and_then(|ready| ready.then(event::read).transpose()) {
            Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => key,
            Ok(Some(Event::Resize(..))) => {
                self.canvas.resized.store(true, Ordering::SeqCst);
                // A question paints itself again.
                if !self.asking.load(Ordering::SeqCst) {
                    self.canvas.show_again();
                }
                return Turn::Again;
            }
            Ok(_) => return Turn::Again,
            Err(error) => {
                tracing::warn!(%error, "the terminal has gone away");
                self.keeper.end();
                return Turn::End;
            }
        };
        let attention = self.attention.get();
        if let Some(attention) = attention {
            attention.touched();
        }
        if is_lock(&key) {
            attention.inspect(|it| it.lock());
        } else if self.asking.load(Ordering::SeqCst) {
            // Full when somebody leans on the keyboard; what does not fit is not an answer.
            let _ = self.press.try_send(key);
        } else if key.code == KeyCode::Char('q') || is_interrupt(&key) {
            self.keeper.end();
        } else if key.code == KeyCode::Char('l') {
            attention.inspect(|it| it.lock());
        }
        Turn::Again
    }
}

/// Locks at any time, also amid a question.
fn is_lock(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('l') && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

impl<'a> Asking<'a> {
    fn begin(asking: &'a AtomicBool) -> Self {
        asking.store(true, Ordering::SeqCst);
        Self(asking)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Drop for TerminalFace {
    fn drop(&mut self) {
        Self::restore();
    }
}

/// What stands there when a question has been answered, until there is news.
pub fn afterwards(frame: &Frame, answer: &Answer) -> Frame {
    let asked = match &frame.screen {
        Screen::Consent(consent) => consent.title.to_string(),
        Screen::Question(question) => question.topic().to_owned(),
        Screen::Idle | Screen::Locked(_) => String::new(),
    };
    let said = match answer {
        Answer::Yes => "you have said yes",
        Answer::No(_) => "you have said no",
        Answer::Leave => "not asked any more, or left",
        Answer::Choice(_) | Answer::Fields(_) | Answer::Seen => "you have answered",
    };
    // What stands behind the dot is about the person, and not about the question.
    let more = frame.status.split_once(" · ").map(|it| format!(" · {}", it.1)).unwrap_or_default();
    let status = format!("{said}: {asked}{more}").into();
    Frame { screen: Screen::Idle, status, ..frame.clone() }
}

impl Face for TerminalFace {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // What was typed before the question was there is no answer to it.
        while keys.try_recv().is_ok() {}
        let asking = Asking::begin(&self.asking);
        let mut input = Input::for_screen(&frame.screen);
        let answer = loop {
            self.canvas.paint(frame, &mut input);
            let key = match keys.recv_timeout(Duration::from_millis(250)) {
                Ok(key) => key,
                Err(_) if withdrawn() => break Answer::Leave,
                Err(_) => continue,
            };
            if is_interrupt(&key) {
                break match frame.screen {
                    Screen::Question(_) => Answer::Leave,
                    _ => Answer::No(String::new()),
                };
            }
            if let Some(answer) = press(&frame.screen, &mut input, meant(&key)) {
                break answer;
            }
        };
        drop(asking);
        self.canvas.show(&afterwards(frame, &answer));
        answer
    }

    fn attend(&self, to: Arc<dyn Attention>) {
        // One TINGUIN has one face.
        let _ = self.attention.set(to);
    }

    fn unlocks(&self) -> bool {
        true
    }

    fn unlock(&self, frame: &Frame, over: &dyn Fn() -> bool) -> Option<PassPhrase> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        while keys.try_recv().is_ok() {}
        let _asking = Asking::begin(&self.asking);
        let mut typed = Typed::new();
        while !over() {
            let mut input = Input { letters: typed.letters(), ..Input::default() };
            self.canvas.paint(frame, &mut input);
            let Ok(key) = keys.recv_timeout(Duration::from_millis(250)) else { continue };
            if is_interrupt(&key) {
                self.keeper.end();
                return None;
            }
            if typed.press(meant(&key)) {
                return Some(typed.done());
            }
        }
        None
    }

    fn show(&self, frame: &Frame) {
        // Progress of one deal must not paint over another's question.
        if !self.asking.load(Ordering::SeqCst) {
            self.canvas.show(frame);
        }
    }
}
