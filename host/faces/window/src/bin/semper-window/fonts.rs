//! Letters that the window's own fonts lack, from a font of the system's: other writings, more signs.

use std::path::{Path, PathBuf};

use egui::epaint::text::{FontInsert, FontPriority, InsertFontFamily};
use egui::{Context, FontData, FontFamily};

/// Where systems keep fonts.
const FOLDERS: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];
/// Fonts that have many writings, the widest first.
const NAMES: [&str; 5] = [
    "DejaVuSans.ttf",
    "FreeSans.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "DroidSansFallbackFull.ttf",
];
/// Folders that are looked into, below one another.
const DEPTH: usize = 4;
/// Largest font that is read, in bytes.
const MOST: u64 = 32 * 1024 * 1024;

/// Adds what is there behind the window's own fonts.
pub fn add(ctx: &Context) {
    let mut found = Vec::new();
    for folder in FOLDERS {
        gather(Path::new(folder), DEPTH, &mut found);
    }
    for name in NAMES {
        let Some(file) = found.iter().find(|it| it.ends_with(name)) else { continue };
        let small = file.metadata().is_ok_and(|meta| meta.len() <= MOST);
        let Some(bytes) = small.then(|| std::fs::read(file).ok()).flatten() else { continue };
        let families = [FontFamily::Proportional, FontFamily::Monospace]
            .map(|family| InsertFontFamily { family, priority: FontPriority::Lowest });
        let data = FontData::from_owned(bytes);
        ctx.add_font(FontInsert { name: name.into(), data, families: families.into() });
    }
}

fn gather(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() && depth > 0 {
            gather(&path, depth - 1, found);
        } else if NAMES.iter().any(|name| path.ends_with(name)) {
            found.push(path);
        }
    }
}
