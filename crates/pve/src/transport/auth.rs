//! Who asks: the header of a token, or a ticket and its renewal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use secret::Secret;
use serde_json::Value;

use crate::call::Call;
use crate::connection::Credentials;
use crate::error::{Error, Refusal, Request, Unreached};
use crate::path;

/// A ticket lives two hours; it is renewed well before.
pub(super) const RENEW_AFTER: Duration = Duration::from_secs(90 * 60);

const CSRF: HeaderName = HeaderName::from_static("csrfpreventiontoken");

/// How a login is sent: without credentials.
pub(super) type Send<'a> = dyn Fn(&Call) -> Result<Value, Error> + 'a;

/// How a request is sent with credentials that are not the transport's own.
pub(super) type SendAs<'a> = dyn Fn(&Call, HeaderMap) -> Result<Value, Error> + 'a;

/// What proves who asks.
#[derive(Debug)]
pub(super) struct Auth {
    credentials: Credentials,
    renew_after: Duration,
    /// Held during a login, so that many threads log in once.
    login: Mutex<Login>,
}

#[derive(Debug)]
enum Login {
    No,
    Yes(Arc<Ticket>),
    /// Final: others who wait for the login would each wait three more seconds
    /// for the same answer, and a realm may lock the user out.
    Refused(Box<Refusal>),
}

/// What the server gave for the password.
#[derive(Debug)]
pub(super) struct Ticket {
    text: Secret,
    cookie: HeaderValue,
    csrf: HeaderValue,
    made: Instant,
}

/// The headers of one request, and the ticket they were made from.
pub(super) struct Proof {
    pub(super) headers: HeaderMap,
    pub(super) ticket: Option<Arc<Ticket>>,
}

impl Auth {
    pub(super) fn new(credentials: Credentials, renew_after: Duration) -> Self {
        Self {
            credentials,
            renew_after,
            login: Mutex::new(Login::No),
        }
    }

    /// The headers for a request, after a login where one is due. `stale` is
    /// the ticket that the server has just refused.
    pub(super) fn proof(
        &self,
        call: &Call,
        stale: Option<&Arc<Ticket>>,
        send: &Send<'_>,
    ) -> Result<Proof, Error> {
        let mut headers = HeaderMap::new();
        let (user, password, otp) = match &self.credentials {
            Credentials::Token { secret, .. } => {
                let name = self.credentials.name();
                let value = header(&format!("PVEAPIToken={name}={}", secret.expose()));
                let value = value.ok_or_else(|| Error::NotSent {
                    request: Request::from(call),
                    why: Unreached::Options(
                        "api_token_secret holds what cannot stand in a header".to_owned(),
                    ),
                })?;
                headers.insert(AUTHORIZATION, value);
                return Ok(Proof {
                    headers,
                    ticket: None,
                });
            }
            Credentials::Password {
                user,
                password,
                otp,
            } => (user, password, otp.as_ref()),
        };

        let mut login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = || log_in(user, password, otp, send);
        let outcome = match &*login {
            Login::Refused(refusal) => return Err(Error::Refused(refusal.clone())),
            Login::No => anew(),
            Login::Yes(ticket) if stale.is_some_and(|stale| Arc::ptr_eq(stale, ticket)) => anew(),
            Login::Yes(ticket) if ticket.made.elapsed() > self.renew_after => {
                // A ticket is taken for the password as long as it lives, and
                // needs no second factor, whose code is long outdated.
                match ask(user, &ticket.text, None, send) {
                    Ok(Given::Ticket(ticket)) => Ok(ticket),
                    _ => anew(),
                }
            }
            Login::Yes(ticket) => Ok(Arc::clone(ticket)),
        };
        let ticket = match outcome {
            Ok(ticket) => {
                *login = Login::Yes(Arc::clone(&ticket));
                ticket
            }
            Err(Error::Refused(refusal)) if refusal.status == 401 => {
                *login = Login::Refused(refusal.clone());
                return Err(Error::Refused(refusal));
            }
            Err(error) => return Err(not_sent(call, error)),
        };

        headers.insert(COOKIE, ticket.cookie.clone());
        if call.writes() {
            headers.insert(CSRF, ticket.csrf.clone());
        }
        Ok(Proof {
            headers,
            ticket: Some(ticket),
        })
    }
}

/// Whether the server takes these credentials: a ticket or a challenge for the
/// password, any answer for the token.
pub(super) fn accepts(credentials: &Credentials, send: &SendAs<'_>) -> Result<bool, Error> {
    let taken = match credentials {
        Credentials::Password { user, password, .. } => {
            ask(user, password, None, &|call| send(call, HeaderMap::new())).map(|_| ())
        }
        Credentials::Token { .. } => {
            let call = Call::get(path!("version"));
            let auth = Auth::new(credentials.clone(), RENEW_AFTER);
            auth.proof(&call, None, &|call| send(call, HeaderMap::new()))
                .and_then(|proof| send(&call, proof.headers))
                .map(|_| ())
        }
    };
    match taken {
        Ok(()) => Ok(true),
        Err(Error::Refused(refusal)) if refusal.status == 401 => Ok(false),
        Err(error) => Err(error),
    }
}

/// A login whose answer was lost has not sent the request that needed it.
fn not_sent(call: &Call, error: Error) -> Error {
    match error {
        Error::NotSent { why, .. } => Error::NotSent {
            request: Request::from(call),
            why,
        },
        Error::Unknown { cause, .. } => Error::NotSent {
            request: Request::from(call),
            why: Unreached::Login(cause),
        },
        other => other,
    }
}

/// What the server gives for a password.
enum Given {
    Ticket(Arc<Ticket>),
    /// It wants a second factor: the challenge to answer.
    Challenge(Secret),
}

fn log_in(
    user: &str,
    password: &Secret,
    otp: Option<&Secret>,
    send: &Send<'_>,
) -> Result<Arc<Ticket>, Error> {
    let first = match (ask(user, password, None, send), otp) {
        // Servers before 7 want the code beside the password.
        (Err(Error::Refused(refusal)), Some(otp)) if refusal.status == 401 => {
            ask(user, password, Some(("otp", otp)), send)?
        }
        (first, _) => first?,
    };
    let challenge = match first {
        Given::Ticket(ticket) => return Ok(ticket),
        Given::Challenge(challenge) => challenge,
    };
    let Some(otp) = otp else {
        return Err(Error::Refused(Box::new(Refusal {
            request: Request::from(&login_call()),
            status: 401,
            message: format!("{user} needs a second factor: set api_otp"),
            errors: BTreeMap::new(),
        })));
    };
    let extra = Some(("tfa-challenge", &challenge));
    match ask(user, &second_factor(otp), extra, send)? {
        Given::Ticket(ticket) => Ok(ticket),
        Given::Challenge(_) => Err(unexpected("a second challenge")),
    }
}

/// `totp:123456`; a code that names another kind, such as `recovery:…`, stays.
fn second_factor(otp: &Secret) -> Secret {
    let otp = otp.expose();
    if otp.contains(':') {
        Secret::new(otp)
    } else {
        Secret::new(format!("totp:{otp}"))
    }
}

fn login_call() -> Call {
    Call::post(path!("access", "ticket"))
}

fn unexpected(what: &str) -> Error {
    Error::Unexpected {
        request: Request::from(&login_call()),
        what: what.to_owned(),
    }
}

fn ask(
    user: &str,
    password: &Secret,
    extra: Option<(&str, &Secret)>,
    send: &Send<'_>,
) -> Result<Given, Error> {
    let mut call = login_call()
        .with("username", user)
        .with("password", password.clone());
    if let Some((key, value)) = extra {
        call = call.with(key, value.clone());
    }
    let answer = send(&call)?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(Secret::new);
    let ticket = text("ticket").ok_or_else(|| unexpected("a login without a ticket"))?;
    if matches!(answer.get("NeedTFA"), Some(need) if *need == 1 || *need == true || *need == "1") {
        return Ok(Given::Challenge(ticket));
    }
    let csrf = text("CSRFPreventionToken")
        .ok_or_else(|| unexpected("a login without a CSRFPreventionToken"))?;
    let cookie = format!("PVEAuthCookie={}", ticket.expose());
    let header = |text: &str| {
        header(text).ok_or_else(|| unexpected("a ticket that cannot stand in a header"))
    };
    Ok(Given::Ticket(Arc::new(Ticket {
        cookie: header(&cookie)?,
        csrf: header(csrf.expose())?,
        text: ticket,
        made: Instant::now(),
    })))
}

fn header(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
