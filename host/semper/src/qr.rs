//! QR codes in picture files (PNG, JPEG): an invitation or a link that was printed, or sent as a
//! picture.

use std::fs::File;
use std::io::{BufReader, Cursor, Read as _};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use image::{ImageFormat, ImageReader, Limits, Luma};
use qrcode::{EcLevel, QrCode};
use rqrr::PreparedImage;
use semper_base::Report;

/// Bytes of a picture, at most.
const MOST: u64 = 16 * 1024 * 1024;
/// Pixels of a side, at most.
const SIDE: u32 = 8_192;
/// Pixels of a side that are enough to find a code.
const ENOUGH: u32 = 1_600;
/// How long a code is looked for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pixels of a code's module.
const MODULE: u32 = 6;

/// The text of a file: what is written in it, or in the QR code of the picture that it is. At most so
/// many bytes of it.
pub fn text_of(file: &Path, most: u64) -> Result<String, Report> {
    let wrong = |what: &dyn std::fmt::Display, mend: &str| {
        Report::input(format!("{}: {what}", file.display()), mend)
    };
    let io = |error: std::io::Error| wrong(&error, "check the path");
    let mut bytes = Vec::new();
    File::open(file).map_err(io)?.take(MOST + 1).read_to_end(&mut bytes).map_err(io)?;
    match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => {
            if bytes.len() as u64 > MOST {
                return Err(wrong(&"the picture has more than 16 MiB", "make it smaller"));
            }
            let (what, mend) = match in_time(bytes, format) {
                Ok(text) => return Ok(text),
                Err(what) => {
                    (what, "give a sharp picture, straight from above, with one QR code in it")
                }
            };
            Err(wrong(&what, mend))
        }
        _ if bytes.len() as u64 > most => {
            Err(wrong(&"it is too long", "give the file as it was sent"))
        }
        _ => String::from_utf8(bytes).map_err(|_| {
            wrong(&"it is neither text nor a picture", "give a text file, PNG or JPEG")
        }),
    }
}

/// As [`read`], in a thread that is left alone when it takes too long: pictures can be made so that
/// looking for codes in them never ends.
fn in_time(bytes: Vec<u8>, format: ImageFormat) -> Result<String, String> {
    let (say, heard) = channel();
    let begun = std::thread::Builder::new().name("picture".into()).spawn(move || {
        let _ = say.send(read(&bytes, format));
    });
    begun.map_err(|error| error.to_string())?;
    heard.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("no QR code was found in time".into()))
}

/// The text in a picture's QR code; or why there is none.
fn read(bytes: &[u8], format: ImageFormat) -> Result<String, String> {
    let mut reader = ImageReader::with_format(BufReader::new(Cursor::new(bytes)), format);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(SIDE), Some(SIDE));
    reader.limits(limits);
    let picture =
        reader.decode().map_err(|error| format!("the picture cannot be read: {error}"))?;
    // Larger ones show nothing more, and take long.
    let grey = match picture.width().max(picture.height()) > ENOUGH {
        true => picture.thumbnail(ENOUGH, ENOUGH).to_luma8(),
        false => picture.to_luma8(),
    };
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let pixel = |x: usize, y: usize| {
        let at = (u32::try_from(x).unwrap_or(0), u32::try_from(y).unwrap_or(0));
        grey.get_pixel_checked(at.0, at.1).map_or(255, |it| it.0[0])
    };
    let mut prepared = PreparedImage::prepare_from_greyscale(width, height, pixel);
    let grids = prepared.detect_grids();
    match grids.as_slice() {
        [] => Err("there is no QR code in the picture".into()),
        [one] => match one.decode() {
            Ok((_, text)) => Ok(text),
            Err(error) => Err(format!("the QR code cannot be read: {error}")),
        },
        several => Err(format!("there are {} QR codes in the picture", several.len())),
    }
}

/// A picture of a text's QR code, as PNG.
///
/// # Errors
/// The text is too long for one.
pub fn png(text: &str) -> Result<Vec<u8>, Report> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|_| {
        let what = format!("{} bytes are too many for a QR code", text.len());
        Report::input(what, "leave out third parties or organisations, or hand over the file")
    })?;
    let picture = code.render::<Luma<u8>>().module_dimensions(MODULE, MODULE).build();
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, ImageFormat::Png).map_err(|error| {
        Report::refusal(
            format!("the picture cannot be made: {error}"),
            "report this to the project",
        )
    })?;
    Ok(out.into_inner())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_a_picture_is_read_from_it() {
        let text = format!("semper:invitation/{}", "aB3-_".repeat(300));
        let picture = png(&text).unwrap();
        assert_eq!(read(&picture, ImageFormat::Png).unwrap(), text);
        assert!(read(&picture[..200], ImageFormat::Png).unwrap_err().contains("cannot be read"));
        assert!(png(&"x".repeat(3_000)).is_err());
    }
}
