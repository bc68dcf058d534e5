//! What a request carries: a form, or a form with a file.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, OnceLock};

use reqwest::blocking::{Body, RequestBuilder};
use reqwest::header::CONTENT_TYPE;

use super::cause;
use crate::call::{Call, Upload};
use crate::error::Unreached;

/// Why a file was not sent to its end, once it is so.
pub(super) type Cut = Arc<OnceLock<Severed>>;

/// Why a file was not sent to its end.
#[derive(Debug)]
pub(super) enum Severed {
    /// The run was interrupted.
    Stopped,
    /// The file itself is the reason.
    File(String),
}

/// The request with the call's parameters and file as its body.
pub(super) fn attach(
    request: RequestBuilder,
    call: &Call,
) -> Result<(RequestBuilder, Cut), Unreached> {
    let cut = Cut::default();
    let Some(upload) = &call.upload else {
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(call.encoded().expose().to_owned());
        return Ok((request, cut));
    };
    let content = Content::open(upload, &cut)
        .map_err(|error| Unreached::Options(unreadable(upload, &error)))?;
    // So long that no file has it by chance.
    let boundary = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
    let head = head(call, upload, &boundary);
    let tail = format!("\r\n--{boundary}--\r\n");
    let whole = head.len() as u64 + content.length + tail.len() as u64;
    let body = Cursor::new(head).chain(content).chain(Cursor::new(tail));
    let request = request
        .header(
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={boundary}"),
        )
        .body(Body::sized(body, whole));
    Ok((request, cut))
}

fn unreadable(upload: &Upload, error: &io::Error) -> String {
    format!(
        "the file {} cannot be read: {}",
        upload.source.display(),
        cause::plain(&error.to_string())
    )
}

/// A file's content, which is to be as long at its end as it was announced.
struct Content {
    file: File,
    length: u64,
    left: u64,
    upload: Upload,
    cut: Cut,
}

impl Content {
    fn open(upload: &Upload, cut: &Cut) -> io::Result<Self> {
        let file = File::open(&upload.source)?;
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            length,
            left: length,
            upload: upload.clone(),
            cut: Arc::clone(cut),
        })
    }

    /// Ends the body early: the server waits for as much as was announced, and
    /// does nothing with less.
    fn sever(&self, why: Severed) -> io::Error {
        // The first reason stays.
        let _ = self.cut.set(why);
        io::Error::other("the file was not sent to its end")
    }

    fn changed(&self, how: &str) -> io::Error {
        self.sever(Severed::File(format!(
            "the file {} became {how} while it was sent",
            self.upload.source.display()
        )))
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        loop {
            match self.file.read(&mut buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.upload.stop.is_raised() {
            return Err(self.sever(Severed::Stopped));
        }
        let read = match self.next(buffer) {
            Ok(0) => return Err(self.changed("shorter")),
            Ok(read) => read,
            Err(error) => return Err(self.sever(Severed::File(unreadable(&self.upload, &error)))),
        };
        self.left -= read as u64;
        // Half of a file that is still being written is not what anybody wants to have.
        if self.left == 0
            && self
                .file
                .metadata()
                .is_ok_and(|now| now.len() > self.length)
        {
            return Err(self.changed("longer"));
        }
        Ok(read)
    }
}

/// All that stands before the file's content.
fn head(call: &Call, upload: &Upload, boundary: &str) -> String {
    let part = |name: &str, rest: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{rest}")
    };
    let mut head: String = call
        .params
        .iter()
        .map(|(key, param)| part(key, &format!("\r\n\r\n{}\r\n", param.expose())))
        .collect();
    // A quotation mark would end the name early.
    let name = upload.name.replace(['"', '\r', '\n'], "_");
    head += &part(
        upload.field,
        &format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"),
    );
    head
}

#[cfg(test)]
mod tests {
    use super::{Content, Cut, Severed};
    use crate::call::{Stop, Upload};
    use std::io::Read as _;

    /// What becomes of a file of four bytes that has another length when half of it is sent.
    fn resized(length: u64) -> (usize, Option<String>) {
        let name = format!("ferrox-body-{}-{length}", std::process::id());
        let source = std::env::temp_dir().join(name);
        std::fs::write(&source, "abcd").unwrap();
        let upload = Upload {
            field: "filename",
            name: "a.iso".to_owned(),
            source: source.clone(),
            stop: Stop::default(),
        };
        let cut = Cut::default();
        let mut content = Content::open(&upload, &cut).unwrap();
        content.read_exact(&mut [0; 2]).unwrap();
        let file = std::fs::File::options().write(true).open(&source).unwrap();
        file.set_len(length).unwrap();
        let mut rest = Vec::new();
        let ended = content.read_to_end(&mut rest);
        std::fs::remove_file(&source).unwrap();
        let why = cut.get().map(|why| match why {
            Severed::File(why) => why.replace(&source.display().to_string(), "a.iso"),
            Severed::Stopped => "stopped".to_owned(),
        });
        assert_eq!(ended.is_err(), why.is_some());
        (rest.len(), why)
    }

    #[test]
    fn a_file_that_changes_its_length_is_not_sent_to_its_end() {
        let why = |how: &str| Some(format!("the file a.iso became {how} while it was sent"));
        assert_eq!(resized(4), (2, None));
        assert_eq!(resized(3), (1, why("shorter")));
        assert_eq!(resized(5).1, why("longer"));
    }
}
