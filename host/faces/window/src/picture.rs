//! The picture by which the person recognises her window.
//!
//! Until she chooses one, it is drawn from a digest of her name and phrase: five by five fields, the
//! left half mirrored, so that it is remembered as a figure.

use std::io::Cursor;

use egui::{Color32, ColorImage, Painter, Rect, TextureHandle, TextureOptions, Ui, pos2, vec2};
use semper_base::Digest;

/// The file's name in a home.
pub const FILE: &str = "picture.png";
/// Largest picture, in bytes and in pixels on a side.
const MOST_BYTES: usize = 1024 * 1024;
const MOST_SIDE: u32 = 1024;

/// The picture.
#[derive(Clone)]
pub enum Picture {
    /// Drawn from a digest.
    Figure(Digest),
    /// The person's own.
    Own(ColorImage, Option<TextureHandle>),
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Picture")
    }
}

impl Picture {
    /// The figure of this name and phrase.
    pub fn of(name: &str, phrase: &str) -> Self {
        Self::Figure(Digest::of_parts(&[name.as_bytes(), phrase.as_bytes()]))
    }

    /// The picture in a PNG file; none if it is not one, or too large.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MOST_BYTES {
            return None;
        }
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().ok()?;
        let (width, height) = reader.info().size();
        if width == 0 || height == 0 || width.max(height) > MOST_SIDE {
            return None;
        }
        let mut pixels = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut pixels).ok()?;
        let pixels = pixels.get(..info.buffer_size())?;
        let size = [usize::try_from(width).ok()?, usize::try_from(height).ok()?];
        let grey = |level: &u8| [*level, *level, *level, 255];
        let image = match info.color_type {
            png::ColorType::Rgba => ColorImage::from_rgba_unmultiplied(size, pixels),
            png::ColorType::Rgb => ColorImage::from_rgb(size, pixels),
            png::ColorType::Grayscale => {
                let pixels: Vec<u8> = pixels.iter().flat_map(grey).collect();
                ColorImage::from_rgba_unmultiplied(size, &pixels)
            }
            _ => return None,
        };
        Some(Self::Own(image, None))
    }

    /// Draws it, so large, with this name for those who do not see it.
    pub(crate) fn show(&mut self, ui: &mut Ui, side: f32, name: &str) {
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), egui::Sense::hover());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
        match self {
            Self::Figure(digest) => figure(ui.painter(), rect, digest),
            Self::Own(image, texture) => {
                let texture = texture.get_or_insert_with(|| {
                    ui.load_texture("picture", image.clone(), TextureOptions::LINEAR)
                });
                let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
                ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
            }
        }
    }
}

/// Colours that are far apart also for those who tell few colours apart: the figure tells more.
const COLOURS: [Color32; 8] = [
    Color32::from_rgb(0, 92, 175),
    Color32::from_rgb(176, 64, 0),
    Color32::from_rgb(0, 118, 92),
    Color32::from_rgb(124, 50, 140),
    Color32::from_rgb(150, 30, 60),
    Color32::from_rgb(70, 86, 0),
    Color32::from_rgb(60, 60, 60),
    Color32::from_rgb(0, 110, 130),
];

fn figure(painter: &Painter, rect: Rect, digest: &Digest) {
    let bytes = digest.as_bytes();
    let colour = COLOURS[usize::from(bytes[0]) % COLOURS.len()];
    painter.rect_filled(rect, 4.0, Color32::from_rgb(244, 241, 232));
    let cell = rect.width() / 6.0;
    let corner = rect.min + vec2(cell, cell) / 2.0;
    for row in 0_u8..5 {
        for column in 0_u8..5 {
            let mirrored = column.min(4 - column);
            let byte = bytes[usize::from(1 + row * 3 + mirrored)];
            if byte & 1 == 1 {
                let at = corner + vec2(f32::from(column), f32::from(row)) * cell;
                painter.rect_filled(Rect::from_min_size(at, vec2(cell, cell)), 0.0, colour);
            }
        }
    }
}
