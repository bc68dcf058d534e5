//! What a request carries: a form, or a form with a file.

use std::fs::File;
use std::io::{Cursor, Read as _};

use reqwest::blocking::{Body, RequestBuilder};
use reqwest::header::CONTENT_TYPE;

use crate::call::{Call, Upload};
use crate::error::Unreached;

/// The request with the call's parameters and file as its body.
pub(super) fn attach(request: RequestBuilder, call: &Call) -> Result<RequestBuilder, Unreached> {
    let Some(upload) = &call.upload else {
        return Ok(request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(call.encoded().expose().to_owned()));
    };
    let unreadable = |error: std::io::Error| {
        Unreached::Options(format!(
            "the file {} cannot be read: {error}",
            upload.source.display()
        ))
    };
    let file = File::open(&upload.source).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    // So long that no file has it by chance.
    let boundary = format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
    let head = head(call, upload, &boundary);
    let tail = format!("\r\n--{boundary}--\r\n");
    let whole = head.len() as u64 + length + tail.len() as u64;
    // A file that grows meanwhile must not run into what follows it.
    let body = Cursor::new(head)
        .chain(file.take(length))
        .chain(Cursor::new(tail));
    Ok(request
        .header(
            CONTENT_TYPE,
            format!("multipart/form-data; boundary={boundary}"),
        )
        .body(Body::sized(body, whole)))
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
