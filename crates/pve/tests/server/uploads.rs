//! Files that are streamed to the server.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pve::call::{Stop, Upload};
use pve::transport::Transport;
use pve::{Call, Error, Unreached, path};
use secret::Secret;
use serde_json::json;

use crate::support::{Reply, Server};

const TASK: &str = "UPID:pve1:0001ABCD:00FF00AA:68A1B2C3:imgcopy::a@pam:";

fn upload(source: &std::path::Path) -> Call {
    Call::post(path!("nodes", "pve1", "storage", "local", "upload"))
        .with("content", "snippets")
        .with("checksum", Secret::new("c0ffee"))
        .with_upload(Upload {
            field: "filename",
            name: "web\"1.yml".to_owned(),
            source: source.to_owned(),
            stop: Stop::default(),
        })
}

#[test]
fn a_file_follows_the_parameters_and_its_length_is_known() {
    let content = "#cloud-config\n".repeat(50_000);
    let source = std::env::temp_dir().join(format!("ferrox-upload-{}", std::process::id()));
    std::fs::write(&source, &content).unwrap();
    let (server, authority) = Server::start(|_| Reply::data(&json!(TASK)));
    let answer = server.https(&authority).send(&upload(&source), None);
    std::fs::remove_file(&source).unwrap();
    assert_eq!(answer.unwrap(), json!(TASK));

    let request = &server.requests()[0];
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nsnippets\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"checksum\"\r\n\r\nc0ffee\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"web_1.yml\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--{boundary}--\r\n"
    );
    assert!(request.body == expected, "{} bytes", request.body.len());
    assert_eq!(
        request.header("content-length"),
        Some(expected.len().to_string().as_str())
    );
}

#[test]
fn a_file_that_is_missing_sends_nothing() {
    let (server, authority) = Server::start(|_| Reply::data(&json!(TASK)));
    let missing = std::path::Path::new("no-such-file.iso");
    let error = server
        .https(&authority)
        .send(&upload(missing), None)
        .unwrap_err();
    let Error::NotSent {
        why: Unreached::Options(why),
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        why,
        "the file no-such-file.iso cannot be read: No such file or directory"
    );
    assert!(server.requests().is_empty());
}

#[test]
fn a_call_shows_which_file_it_sends_and_no_secret() {
    assert_eq!(
        upload(std::path::Path::new("web.yml")).to_string(),
        "POST /nodes/pve1/storage/local/upload content=snippets checksum=******** filename=@web.yml"
    );
}

#[test]
fn an_interrupted_upload_is_no_upload() {
    let source = std::env::temp_dir().join(format!("ferrox-stopped-{}", std::process::id()));
    std::fs::write(&source, "#cloud-config\n").unwrap();
    let (server, authority) = Server::start(|_| Reply::data(&json!(TASK)));
    let mut call = upload(&source);
    if let Some(upload) = &mut call.upload {
        upload.stop = (&Arc::new(AtomicBool::new(true))).into();
    }
    let error = server.https(&authority).send(&call, None).unwrap_err();
    std::fs::remove_file(&source).unwrap();
    assert!(matches!(error, Error::Interrupted { .. }), "{error:?}");
    assert!(server.requests().is_empty());
}
