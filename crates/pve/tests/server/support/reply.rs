//! What the test server does with a request.

use std::time::{Duration, SystemTime};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) after: After,
    pub(super) delay: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Close,
    Vanish,
    Reset,
    Hang,
}

impl Reply {
    /// `200 OK` with this JSON as `data`.
    pub(crate) fn data(data: &serde_json::Value) -> Self {
        Self::body("200 OK", &serde_json::json!({ "data": data }).to_string())
    }

    /// An answer with this status line (`500 some text`) and body.
    pub(crate) fn body(status: &str, body: &str) -> Self {
        Self::raw(format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json;charset=UTF-8\r\n\
             Date: {}\r\nContent-Length: {}\r\n\r\n{body}",
            httpdate::fmt_http_date(SystemTime::now()),
            body.len()
        ))
    }

    /// The same answer from a clock that is so many seconds behind.
    pub(crate) fn behind(mut self, seconds: u64) -> Self {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        let text = String::from_utf8(self.bytes).unwrap();
        let (before, rest) = text.split_once("Date: ").unwrap();
        let (_, after) = rest.split_once('\r').unwrap();
        let date = httpdate::fmt_http_date(time);
        self.bytes = format!("{before}Date: {date}\r{after}").into_bytes();
        self
    }

    /// These very bytes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            after: After::Keep,
            delay: Duration::ZERO,
        }
    }

    /// No answer, and the connection stays open.
    pub(crate) fn hang() -> Self {
        Self::raw("").stall()
    }

    /// Closes the connection, properly, after what was sent.
    pub(crate) fn close(self) -> Self {
        self.then(After::Close)
    }

    /// Closes the connection below TLS, which is not told, after what was sent.
    pub(crate) fn vanish(self) -> Self {
        self.then(After::Vanish)
    }

    /// Resets the connection after what was sent.
    pub(crate) fn reset(self) -> Self {
        self.then(After::Reset)
    }

    /// Leaves out this many bytes at the end.
    pub(crate) fn cut(mut self, missing: usize) -> Self {
        self.bytes.truncate(self.bytes.len() - missing);
        self
    }

    /// Answers this much later, as the server does with every 401.
    pub(crate) fn late(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends no more than was sent, and the connection stays open.
    pub(crate) fn stall(self) -> Self {
        self.then(After::Hang)
    }

    fn then(mut self, after: After) -> Self {
        self.after = after;
        self
    }
}
