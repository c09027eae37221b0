//! What is read of a home before the pass-phrase is asked for, and how the TINGUIN is started after it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use semper_archive::{Home, HomeKind};
use semper_base::text::Text;
use semper_device::ToHost;
use semper_face_window::model::Who;
use semper_face_window::picture::{self, Picture};
use semper_face_window::records::Unread;
use semper_face_window::records::archive::{CONFIG, OfHome};
use semper_face_window::records::shelf::Shelf;
use semper_face_window::records::source::Behind;
use semper_face_window::settings::{self, Settings};
use semper_face_window::words::Language;
use semper_face_window::{Desk, Model, pair};
use semper_keeper::Keeper;
use semper_tinguin::memory::{self, Memory};
use semper_tinguin::vault::{self, Vault};
use semper_tinguin::{Locking, Service};
use semper_tinguin_protocol::SOCKET;
use semper_tinguin_protocol::lock_after::TinguinConfig;
use serde::Deserialize;

use crate::Trouble;

/// Details that were told, at most so many are listed.
const TOLD: u32 = 2_000;

/// Whose TINGUIN it is, from the home's configuration.
#[derive(Deserialize)]
struct Config {
    user: String,
    phrase: String,
    #[serde(default)]
    tinguin: TinguinConfig,
}

/// A home that has been looked at, and whose keys are closed.
pub struct Start {
    home: PathBuf,
    config: Config,
    vault: Vault,
    /// The host's machine that this is the TINGUIN of, if it is another one.
    host: Mutex<Option<ToHost>>,
    picture: Picture,
    /// What its person has set.
    pub settings: Settings,
}

impl Start {
    /// Reads what is needed.
    pub fn read(path: &Path) -> Result<Self, Trouble> {
        let home = Arc::new(Home::of(path, HomeKind::Party)?);
        let text = home.read(CONFIG)?;
        let config: Config = toml::from_str(&text).map_err(|error| Trouble {
            what: format!("{CONFIG} is not valid: {error}"),
            mend: "compare with the README".into(),
        })?;
        let settings = match home.read(settings::FILE) {
            Ok(text) => Settings::parse(&text),
            Err(_) => Settings { language: of_system(), ..Settings::default() },
        };
        // A picture that cannot be read must not keep anybody from her keys.
        let own = std::fs::read(home.path().join(picture::FILE)).ok();
        let own = own.and_then(|bytes| Picture::parse(&bytes));
        let picture = own.unwrap_or_else(|| Picture::of(&config.user, &config.phrase));
        let host = Mutex::new(ToHost::of(&home)?);
        let (path, vault) = (home.path().to_owned(), Vault::of(home));
        // A home without keys is told of before anybody types.
        vault.is_there()?;
        Ok(Self { home: path, config, vault, host, picture, settings })
    }

    /// What stands over the window.
    pub fn title(&self) -> String {
        format!("{} — semper TINGUIN", self.name())
    }

    /// The user's name.
    pub fn name(&self) -> Text {
        self.config.user.as_str().into()
    }

    /// Whose window it is.
    pub fn who(&self) -> Who {
        Who {
            name: self.config.user.as_str().into(),
            phrase: self.config.phrase.as_str().into(),
            picture: self.picture.clone(),
        }
    }

    /// The key store, closed.
    pub const fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Starts the TINGUIN with these keys.
    pub fn open(
        &self,
        opened: vault::Opened,
        keeper: &Keeper,
        ctx: &egui::Context,
    ) -> Result<Opened, Trouble> {
        let memory = Memory::open(&self.home.join(memory::FILE))?;
        let (face, desk) = pair();
        let wake = ctx.clone();
        desk.wake_by(move || wake.request_repaint());
        let (user, phrase) = (self.config.user.clone(), self.config.phrase.clone());
        let locking =
            Locking { vault: self.vault.clone(), after: self.config.tinguin.locks(false) };
        let service = Service::new(opened.keys, memory, Box::new(face), user, phrase)
            .with_locking(locking)
            .for_host(self.host.lock().unwrap_or_else(PoisonError::into_inner).take())
            .after_wrong(opened.wrong);
        let (say, ended) = channel();
        let (socket, own, wake) = (self.home.join(SOCKET), keeper.clone(), ctx.clone());
        drop(keeper.job("tinguin", move |_| {
            let served = service.serve(&socket, &own);
            // Nobody hears it when the window has gone first.
            let _ = say.send(served.err().map(|error| error.to_string()));
            wake.request_repaint();
        }));
        let remembered = Memory::open(&self.home.join(memory::FILE))?;
        let remembers = move || {
            remembered.told(TOLD).map_err(|error| Unread {
                what: error.to_string().into(),
                mend: "check the disk".into(),
            })
        };
        let records = OfHome::at(self.home.clone()).remembering(Box::new(remembers));
        let wake = ctx.clone();
        let shelf = Shelf::new(Behind::new(records, keeper, move || wake.request_repaint()));
        let model = Model::new(self.who(), self.settings, shelf);
        Ok(Opened { model: Box::new(model), desk, ended })
    }

    /// Keeps what the person has set; the window goes on without it.
    pub fn keep(&self, settings: Settings) {
        let written = Home::of(&self.home, HomeKind::Party)
            .and_then(|home| home.write(settings::FILE, settings.text().as_bytes()));
        if let Err(error) = written {
            tracing::warn!(%error, "the settings are not kept");
        }
    }
}

fn of_system() -> Language {
    let set = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(|it| std::env::var(it).ok());
    Language::of_system(&set.unwrap_or_default())
}

/// A TINGUIN that runs.
pub struct Opened {
    /// What its window shows.
    pub model: Box<Model>,
    /// Where its questions are answered.
    pub desk: Desk,
    /// How it has ended, once it has: an error, or nothing.
    pub ended: Receiver<Option<String>>,
}
