//! What the server's answer means.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hyper::ext::ReasonPhrase;
use reqwest::StatusCode;
use reqwest::blocking::Response;
use reqwest::header::DATE;
use serde::Deserialize;
use serde_json::Value;

use super::cause;
use crate::error::{Error, Refusal, Request};

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Proxmox VE's own text, where it differs from the standard's.
    pub(crate) reason: String,
    /// The server's clock, to the second.
    pub(crate) date: Option<SystemTime>,
    /// The body, or what happened to the connection before it was whole.
    pub(crate) body: Result<Vec<u8>, String>,
}

#[derive(Deserialize)]
struct Failure {
    message: Option<String>,
    errors: Option<BTreeMap<String, Value>>,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let status = response.status();
        let reason = match response.extensions().get::<ReasonPhrase>() {
            Some(reason) => String::from_utf8_lossy(reason.as_bytes()).trim().to_owned(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let date = response
            .headers()
            .get(DATE)
            .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        let body = response.bytes().map(Vec::from);
        Self {
            status,
            reason,
            date,
            body: body.map_err(|error| cause::lost(&error)),
        }
    }
}

impl Answer {
    /// The `data` of a success, or the error that the answer stands for.
    pub(crate) fn into_data(self, request: Request) -> Result<Value, Error> {
        let status = self.status.as_u16();
        match status {
            200..=299 => self.data(request),
            // Proxmox VE proxies requests to its daemon and to other nodes, and a
            // reverse proxy may stand before it. When they lose the other side
            // midway, the request may be carried out all the same. (595 is
            // different: the other side was never reached.)
            502 | 504 | 596..=599 => Err(Error::Unknown {
                request,
                cause: format!("{status} {}", self.reason),
            }),
            300..=399 => Err(Error::Unexpected {
                request,
                what: format!("{status} {}, a redirect", self.reason),
            }),
            _ => Err(Error::Refused(Box::new(self.refusal(request)))),
        }
    }

    fn data(self, request: Request) -> Result<Value, Error> {
        let body = match self.body {
            Ok(body) => body,
            Err(cause) => return Err(Error::Unknown { request, cause }),
        };
        let unexpected = |what: &str| Error::Unexpected {
            request: request.clone(),
            what: format!("{} {}, {what}", self.status.as_u16(), self.reason),
        };
        let Ok(Value::Object(mut answer)) = serde_json::from_slice(&body) else {
            return Err(unexpected(if body.is_empty() {
                "an empty body"
            } else {
                "a body that is not a JSON object"
            }));
        };
        answer
            .remove("data")
            .ok_or_else(|| unexpected("a body without `data`"))
    }

    /// A refusal holds even where its body was lost on the way.
    fn refusal(self, request: Request) -> Refusal {
        let failure = self
            .body
            .ok()
            .and_then(|body| serde_json::from_slice::<Failure>(&body).ok())
            .unwrap_or(Failure {
                message: None,
                errors: None,
            });
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Refusal {
            request,
            status: self.status.as_u16(),
            message: failure
                .message
                .map(|message| message.trim().to_owned())
                .filter(|message| !message.is_empty())
                .unwrap_or(self.reason),
            errors: failure
                .errors
                .unwrap_or_default()
                .into_iter()
                .map(|(parameter, value)| (parameter, text(value)))
                .collect(),
        }
    }
}
