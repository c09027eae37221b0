//! The window's life: the pass-phrase, then the TINGUIN, then its end.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use egui::{Context, Ui, ViewportCommand};
use semper_face_window::unlock::{Stage, Unlock};
use semper_face_window::words::Words;
use semper_keeper::Keeper;
use semper_tinguin::keystore::{Keystore, KeystoreError};

use crate::start::{Opened, Start};

/// Frames of which the slowest is told.
const FRAMES: usize = 100;

/// The window.
pub struct App {
    start: Start,
    keeper: Keeper,
    life: Life,
    /// Wrong pass-phrases so far: each next one has to wait longer.
    wrong: u32,
    /// What stands over the window.
    title: String,
    figures: Option<Figures>,
}

enum Life {
    Locked { page: Box<Unlock>, tried: Option<Receiver<Result<Keystore, KeystoreError>>> },
    Open(Opened),
    Over { what: String, mend: String },
}

struct Figures {
    begun: Instant,
    first: bool,
    frames: Vec<Duration>,
}

impl App {
    /// A window that asks for the pass-phrase.
    pub fn new(start: Start, keeper: Keeper, begun: Option<Instant>) -> Self {
        let page = Box::new(Unlock::new(start.who(), start.settings));
        let figures = begun.map(|begun| Figures { begun, first: true, frames: Vec::new() });
        let title = start.title();
        Self { start, keeper, life: Life::Locked { page, tried: None }, wrong: 0, title, figures }
    }

    fn locked(&mut self, ui: &mut Ui) {
        let Life::Locked { page, tried } = &mut self.life else { return };
        if let Some(pass_phrase) = page.draw(ui) {
            let (stored, ctx) = (self.start.stored().to_owned(), ui.ctx().clone());
            let (say, heard) = channel();
            drop(self.keeper.job("unlock", move |_| {
                // Nobody hears it when the window has gone first.
                let _ = say.send(Keystore::open(&stored, &pass_phrase));
                ctx.request_repaint();
            }));
            page.stage = Stage::Trying;
            *tried = Some(heard);
        }
        let Some(result) = tried.as_ref().and_then(|it| it.try_recv().ok()) else { return };
        *tried = None;
        match result {
            Ok(keys) => {
                self.life = match self.start.open(keys, &self.keeper, ui.ctx()) {
                    Ok(opened) => Life::Open(opened),
                    Err(trouble) => Life::Over { what: trouble.what, mend: trouble.mend },
                };
            }
            Err(KeystoreError::PassPhrase) => {
                let now = Duration::try_from_secs_f64(ui.input(|input| input.time));
                let wait = Duration::from_secs(1 << self.wrong.min(6));
                self.wrong = self.wrong.saturating_add(1);
                page.stage = Stage::Wrong(now.unwrap_or_default() + wait);
            }
            Err(error) => {
                let mend = semper_base::Mend::mend(&error);
                self.life = Life::Over { what: error.to_string(), mend };
            }
        }
        ui.ctx().request_repaint();
    }

    fn open(&mut self, ui: &mut Ui) {
        let Life::Open(Opened { model, desk, ended }) = &mut self.life else { return };
        model.meet(desk);
        semper_face_window::draw(ui, model);
        // What was answered in this frame goes at once.
        model.meet(desk);
        let title = model.title();
        if title != self.title {
            ui.ctx().send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
        if std::mem::take(&mut model.changed) {
            self.start.settings = model.settings;
            self.start.keep(model.settings);
        }
        let Ok(how) = ended.try_recv() else { return };
        match how {
            None => ui.ctx().send_viewport_cmd(ViewportCommand::Close),
            Some(what) => {
                let mend = "stop the other one first".into();
                self.life = Life::Over { what, mend };
            }
        }
    }

    fn over(&self, ui: &mut Ui, what: &str, mend: &str) {
        let words = Words::of(self.start.settings.language);
        egui::CentralPanel::default().show(ui, |ui| {
            ui.heading(words.say("unlock-failed"));
            ui.label(what);
            ui.label(mend);
        });
    }

    fn figure(&mut self, took: Duration) {
        let Some(figures) = &mut self.figures else { return };
        if std::mem::take(&mut figures.first) {
            eprintln!("first frame after {} ms", figures.begun.elapsed().as_millis());
        }
        figures.frames.push(took);
        if figures.frames.len() == FRAMES {
            figures.frames.sort_unstable();
            let slowest = figures.frames.pop().unwrap_or_default();
            let half = figures.frames.get(FRAMES / 2).copied().unwrap_or_default();
            eprintln!("{FRAMES} frames: half below {half:?}, the slowest {slowest:?}");
            figures.frames.clear();
        }
    }
}

impl eframe::App for App {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let begun = Instant::now();
        match &self.life {
            Life::Locked { .. } => self.locked(ui),
            Life::Open(_) => self.open(ui),
            Life::Over { what, mend } => self.over(ui, what, mend),
        }
        self.figure(begun.elapsed());
    }

    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        if self.keeper.ending().is_over() {
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }
}
