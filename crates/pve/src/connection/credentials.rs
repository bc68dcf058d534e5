//! Who asks, out of the five options that say so.

use secret::Secret;

use super::{Options, OptionsError, given};

/// Whom `api_user` names where nobody says otherwise, and who `pvesh` is.
pub const ROOT: &str = "root@pam";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user with a password, who is given a ticket.
    Password {
        /// `user@realm`.
        user: String,
        /// The password.
        password: Secret,
        /// The code of the second factor.
        otp: Option<Secret>,
    },
    /// An API token, which is sent with every request.
    Token {
        /// `user@realm`.
        user: String,
        /// The token's name, the part after `!`.
        token_id: String,
        /// The token's secret.
        secret: Secret,
    },
}

impl Credentials {
    /// People's vaults hold the name of a token in three ways: split over the two
    /// options, or whole in either. A naive client sends `user@realm!id!id`.
    pub(super) fn from_options(options: Options<'_>) -> Result<Self, OptionsError> {
        let secret = |secret: Option<&Secret>| secret.filter(|secret| !secret.is_empty()).cloned();
        let api_user = given(options.api_user).unwrap_or(ROOT);
        let (user, user_token) = split_token(api_user);
        let checked = |user: &str| {
            if user.contains('@') {
                Ok(user.to_owned())
            } else {
                Err(OptionsError::NoRealm(user.to_owned()))
            }
        };

        if let Some(password) = secret(options.api_password) {
            return Ok(Credentials::Password {
                user: checked(user)?,
                password,
                otp: secret(options.api_otp),
            });
        }

        let api_token_id = given(options.api_token_id);
        let (token_user, token) = match api_token_id {
            Some(text) => match split_token(text) {
                (user, Some(token)) => (Some(user).filter(|user| !user.is_empty()), Some(token)),
                (token, None) => (None, Some(token)),
            },
            None => (None, None),
        };
        let different = |what| OptionsError::Different {
            api_user: api_user.to_owned(),
            api_token_id: api_token_id.unwrap_or_default().to_owned(),
            what,
        };
        if user_token.is_some() && token.is_some() && user_token != token {
            return Err(different("tokens"));
        }
        // The default user says nothing: whoever gives the whole token means its user.
        let user = match token_user {
            Some(token_user) if user != token_user && user != ROOT => {
                return Err(different("users"));
            }
            Some(token_user) => token_user,
            None => user,
        };

        match (token.or(user_token), secret(options.api_token_secret)) {
            (Some(token_id), Some(secret)) => Ok(Credentials::Token {
                user: checked(user)?,
                token_id: token_id.to_owned(),
                secret,
            }),
            (Some(token_id), None) => {
                Err(OptionsError::NoTokenSecret(format!("{user}!{token_id}")))
            }
            (None, Some(_)) => Err(OptionsError::NoTokenId),
            (None, None) => Err(OptionsError::NoCredentials),
        }
    }

    /// Who the server takes us for: `user@realm` or `user@realm!token`.
    pub fn name(&self) -> String {
        match self {
            Self::Password { user, .. } => user.clone(),
            Self::Token { user, token_id, .. } => format!("{user}!{token_id}"),
        }
    }
}

fn split_token(text: &str) -> (&str, Option<&str>) {
    text.split_once('!')
        .map_or((text, None), |(user, token)| (user, Some(token)))
}
